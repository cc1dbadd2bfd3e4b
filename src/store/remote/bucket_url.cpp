#include "store/remote/bucket_url.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "store/remote/rfc3339.hpp"

namespace asb::remote {
namespace {

// What is wrong with a text, in the words of one store.
class Parser {
  public:
    Parser(std::string_view text, std::string_view scheme, std::string_view store)
        : text_(text), scheme_(scheme), store_(store) {}

    Result<BucketUrl> parse() {
        const auto begin = fmt::format("{}://", scheme_);
        if (!text_.starts_with(begin)) return bad(fmt::format("it does not begin with {}", begin));
        std::string_view rest = text_.substr(begin.size());
        if (rest.starts_with(begin))
            return with_hint(
                fail(Code::usage, "'{}' begins with {} twice", printable(text_), begin),
                "the setting of the bucket is its name alone");
        BucketUrl url;
        if (const auto question = rest.find('?'); question != std::string_view::npos) {
            ASB_TRY(url.at, parse_at(rest.substr(question + 1)));
            rest = rest.substr(0, question);
        }
        const auto slash = std::min(rest.find('/'), rest.size());
        url.bucket = rest.substr(0, slash);
        ASB_TRY(url.prefix, tidy_prefix(rest.substr(slash)));
        return url;
    }

  private:
    [[nodiscard]] Error bad(std::string_view problem) const {
        return bad_location(text_, scheme_, store_, problem);
    }

    // "/a//b/" -> "a/b/".
    [[nodiscard]] Result<std::string> tidy_prefix(std::string_view text) const {
        std::string prefix;
        for (const auto& part : split(text, '/')) {
            if (part.empty()) continue;
            if (part == "." || part == "..")
                return bad(fmt::format("'{}' cannot be a part of the prefix", part));
            prefix += part;
            prefix += '/';
        }
        if (prefix.size() > kPrefixMax) return bad("the prefix is longer than 512 bytes");
        if (!is_utf8(prefix) || printable(prefix) != prefix)
            return bad("the prefix has characters in it that cannot be shown");
        return prefix;
    }

    [[nodiscard]] Result<Instant> parse_at(std::string_view query) const {
        constexpr std::string_view kAt = "at=";
        const auto time =
            query.starts_with(kAt) ? parse_rfc3339(query.substr(kAt.size())) : std::nullopt;
        if (time) return *time;
        return with_hint(
            fail(Code::usage, "'{}' ends with '?{}', which is not understood", printable(text_),
                 printable(query)),
            fmt::format(
                "write a time to look back to as {}://bucket/prefix?at=2024-01-15T02:00:00Z",
                scheme_));
    }

    std::string_view text_;
    std::string_view scheme_;
    std::string_view store_;
};

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string BucketUrl::place(std::string_view scheme) const {
    if (prefix.empty()) return fmt::format("{}://{}", scheme, bucket);
    return fmt::format("{}://{}/{}", scheme, bucket, prefix.substr(0, prefix.size() - 1));
}

Result<BucketUrl> parse_bucket_url(std::string_view text, std::string_view scheme,
                                   std::string_view store) {
    return Parser(text, scheme, store).parse();
}

Error bad_location(std::string_view text, std::string_view scheme, std::string_view store,
                   std::string_view problem) {
    return with_hint(
        fail(Code::usage, "'{}' is not a place in {}: {}", printable(text), store, problem),
        fmt::format("write it as {0}://bucket or {0}://bucket/prefix", scheme));
}

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_like_ipv4(std::string_view name) {
    const auto parts = split(name, '.');
    return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), is_number);
}

}  // namespace asb::remote
