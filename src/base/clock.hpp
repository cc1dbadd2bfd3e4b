#pragma once
// Why this exists: instants are UTC milliseconds inside and ISO 8601 at the edges, in one place.

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace asb {

using Instant = std::chrono::sys_time<std::chrono::milliseconds>;
using Deadline = std::chrono::steady_clock::time_point;

Instant now();
inline Deadline after(std::chrono::milliseconds wait) {
    return std::chrono::steady_clock::now() + wait;
}

// "2024-01-15T02:00:00.000Z"
std::string to_iso8601(Instant instant);
// The inverse of to_iso8601; anything else is `usage`.
Result<Instant> parse_iso8601(std::string_view text);
// "20240115_020000", the part of a backup's name that sorts by time.
std::string to_stamp(Instant instant);
// "2024-01-15 02:00:00 UTC", for tables.
std::string to_readable(Instant instant);

}  // namespace asb
