#pragma once
// Why this exists: gs://bucket/prefix is what a user writes on a command line and in settings; what
// is wrong with it is said before anything is sent.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace asb::gcs {

struct Location {
    std::string bucket;
    std::string prefix;         // empty, or "a/b/"
    std::optional<Instant> at;  // for reading only: what was there at that time

    // "gs://bucket/a/b", without the time.
    [[nodiscard]] std::string place() const;
};

// `gs://bucket[/prefix][?at=2024-01-15T02:00:00Z]`; `usage` for anything else, and for a bucket
// that cannot exist.
Result<Location> parse_location(std::string_view text);

// By the page "Bucket naming guidelines" of Cloud Storage.
Status check_bucket_name(std::string_view name);

}  // namespace asb::gcs
