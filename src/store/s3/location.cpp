#include "store/s3/location.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "store/remote/bucket_url.hpp"

namespace asb::s3 {
namespace {

using remote::is_letter_or_digit;

constexpr std::string_view kScheme = "s3";
constexpr std::string_view kStore = "S3";
// Amazon S3 user guide, "General purpose bucket naming rules".
constexpr std::size_t kNameMin = 3;
constexpr std::size_t kNameMax = 63;

// What Amazon's rules have against the name; empty: nothing.
std::string_view problem_of(std::string_view name) {
    if (name.size() < kNameMin) return "a bucket's name has at least 3 characters";
    if (name.size() > kNameMax) return "a bucket's name has at most 63 characters";
    const auto is_allowed = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; };
    if (!std::all_of(name.begin(), name.end(), is_allowed))
        return "a bucket's name has only lower-case letters, digits, '-' and '.'";
    if (!is_letter_or_digit(name.front()) || !is_letter_or_digit(name.back()))
        return "a bucket's name begins and ends with a letter or a digit";
    if (name.find("..") != std::string_view::npos)
        return "a bucket's name has no two dots side by side";
    if (remote::is_like_ipv4(name)) return "a bucket's name is not an IP address";
    return {};
}

}  // namespace

std::string Location::place() const {
    return remote::BucketUrl{.bucket = bucket, .prefix = prefix, .at = {}}.place(kScheme);
}

Result<Location> parse_location(std::string_view text) {
    ASB_TRY(auto url, remote::parse_bucket_url(text, kScheme, kStore));
    if (const auto problem = problem_of(url.bucket); !problem.empty())
        return remote::bad_location(text, kScheme, kStore, problem);
    return Location{.bucket = std::move(url.bucket), .prefix = std::move(url.prefix), .at = url.at};
}

}  // namespace asb::s3
