#include "store/gcs/location.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "store/remote/bucket_url.hpp"

namespace asb::gcs {
namespace {

using remote::is_letter_or_digit;

constexpr std::string_view kScheme = "gs";
constexpr std::string_view kStore = "Google Cloud Storage";
// "Bucket naming guidelines": 3 to 63 characters; with dots up to 222, 63 between two dots.
constexpr std::size_t kNameMin = 3;
constexpr std::size_t kNameMax = 222;
constexpr std::size_t kComponentMax = 63;

bool is_bucket_character(char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
}

// What Google's rules have against the name; empty: nothing.
std::string_view problem_of(std::string_view name) {
    if (name.size() < kNameMin) return "it has fewer than 3 characters";
    if (name.size() > kNameMax) return "it has more than 222 characters";
    if (!std::all_of(name.begin(), name.end(), is_bucket_character))
        return "only lower-case letters, digits, '-', '_' and '.' may be in it";
    if (!is_letter_or_digit(name.front()) || !is_letter_or_digit(name.back()))
        return "it begins or ends with something that is no letter or digit";
    const auto components = split(name, '.');
    for (const auto& component : components) {
        if (component.empty()) return "two dots stand together";
        if (component.size() > kComponentMax) return "more than 63 characters stand between dots";
    }
    if (remote::is_like_ipv4(name)) return "it is an IP address";
    if (name.substr(0, 4) == "goog") return "names that begin with 'goog' are Google's own";
    for (const std::string_view word : {"google", "g00gle"})
        if (name.find(word) != std::string_view::npos)
            return "names with 'google' in them are Google's own";
    return {};
}

}  // namespace

std::string Location::place() const {
    return remote::BucketUrl{.bucket = bucket, .prefix = prefix, .at = {}}.place(kScheme);
}

Status check_bucket_name(std::string_view name) {
    const auto problem = problem_of(name);
    if (problem.empty()) return {};
    return with_hint(
        fail(Code::usage, "'{}' cannot be the name of a bucket in Google Cloud Storage: {}",
             printable(name), problem),
        "look the bucket's name up with `gcloud storage buckets list`");
}

Result<Location> parse_location(std::string_view text) {
    ASB_TRY(auto url, remote::parse_bucket_url(text, kScheme, kStore));
    ASB_CHECK(check_bucket_name(url.bucket));
    // "Object naming": Google's commands take what follows a # for a generation.
    if (url.prefix.find('#') != std::string::npos)
        return remote::bad_location(text, kScheme, kStore, "the prefix has a # in it");
    return Location{.bucket = std::move(url.bucket), .prefix = std::move(url.prefix), .at = url.at};
}

}  // namespace asb::gcs
