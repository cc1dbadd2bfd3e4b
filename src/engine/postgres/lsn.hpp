#pragma once
// Why this exists: places in the write-ahead log, and the names of its segment files, are computed
// in one place; swapping a position with a byte count is a mistake that a type can catch.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace asb {

// A position in the write-ahead log.
struct Lsn {
    std::uint64_t value = 0;
    auto operator<=>(const Lsn&) const = default;
};

// "0/2000028", as PostgreSQL prints it.
std::string to_text(Lsn lsn);
// The inverse; anything else is `database`.
Result<Lsn> parse_lsn(std::string_view text);

// Where the segment that holds the byte at `lsn` begins.
[[nodiscard]] Lsn segment_start(Lsn lsn, std::uint64_t segment_bytes);
// "000000010000000000000002": the file of the segment that holds the byte at `lsn`.
[[nodiscard]] std::string wal_file_name(std::uint32_t timeline, Lsn lsn,
                                        std::uint64_t segment_bytes);
// "00000002.history"
[[nodiscard]] std::string history_file_name(std::uint32_t timeline);

}  // namespace asb
