#pragma once
// Why this exists: SCHEME://BUCKET/PREFIX?at=TIME is written alike for every cloud; only what a
// bucket may be called differs.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace asb::remote {

struct BucketUrl {
    std::string bucket;         // not checked
    std::string prefix;         // "a/b/"; empty: the bucket's top
    std::optional<Instant> at;  // the time that is looked back to

    // Without the time.
    [[nodiscard]] std::string place(std::string_view scheme) const;
};

// "Naming Amazon S3 objects" and Google's "Object naming" allow 1024 bytes; what the repository
// puts behind the prefix must fit too.
inline constexpr std::size_t kPrefixMax = 512;

// `scheme` without "://"; `store` is what people call it. `usage` for anything else.
Result<BucketUrl> parse_bucket_url(std::string_view text, std::string_view scheme,
                                   std::string_view store);
// "'TEXT' is not a place in STORE: PROBLEM", and how it is written.
Error bad_location(std::string_view text, std::string_view scheme, std::string_view store,
                   std::string_view problem);

// For the rules of names: a-z and 0-9; four numbers with dots between them.
bool is_letter_or_digit(char c);
bool is_like_ipv4(std::string_view name);

}  // namespace asb::remote
