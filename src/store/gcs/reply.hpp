#pragma once
// Why this exists: what Google Cloud Storage and Google's token endpoints answer is text from
// outside; it is turned into what the driver needs, or into an error, in one place that a fuzzer
// can reach.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace asb::gcs {

// A resource of the JSON API ("Objects"), as far as it is used.
struct ObjectReply {
    std::string name;
    std::uint64_t size = 0;
    std::string generation;
    Instant created;
    std::optional<Instant> deleted;  // since when this generation is no longer the live one
    std::optional<std::uint32_t> crc32c;
    std::string mark;  // of metadata; empty: none

    [[nodiscard]] bool was_live_at(Instant at) const;
};

struct PageReply {
    std::vector<ObjectReply> objects;
    std::string next;
};

struct TokenReply {
    Secret token;
    std::chrono::seconds life{0};
};

// What an error's body says; all empty when it is not Google's JSON.
struct ErrorReply {
    std::string reason;  // "notFound", "retentionPolicyNotMet"; of a token endpoint "invalid_grant"
    std::string message;
    bool is_google = false;
};

// The HTTP status of what is not there: an object, or its bucket.
inline constexpr int kNotFound = 404;

// The name of the metadata field that holds WriteOptions::mark.
inline constexpr const char* kMarkField = "asb-mark";

// `store` when the text is not what the API documents: then something between us and Google
// answered, as a rule.
Result<ObjectReply> parse_object(std::string_view body);
Result<PageReply> parse_page(std::string_view body);
// {"access_token", "expires_in"} of OAuth 2.0 (RFC 6749) and of the metadata server.
Result<TokenReply> parse_token(std::string_view body);
// {"accessToken", "expireTime"} of the IAM Credentials API.
Result<TokenReply> parse_impersonated_token(std::string_view body, Instant at);
// Of both forms: {"error": {"errors": [...], "message"}} and {"error", "error_description"}.
ErrorReply parse_error(std::string_view body);

// "bytes=0-1048575", of a 308: how many bytes the store has; 0 without the header; nullopt when it
// is something else.
std::optional<std::uint64_t> parse_persisted(std::string_view range);

// "bytes 0-9/200", of a 206.
struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

}  // namespace asb::gcs
