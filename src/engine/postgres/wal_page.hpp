#pragma once
// Why this exists: PostgreSQL's WAL is cut into pages, each with a header that says which page it
// is; it is the first proof that a byte of a log stands where it belongs. A pure parser, so that it
// can be fuzzed.
//
// Numbers: PostgreSQL's src/include/access/xlog_internal.h; the same in majors 15 to 18 but for the
// magic. Everything is little-endian, as servers on x86-64 and arm64 write it.

#include <cstring>
#include <optional>

#include "base/bytes.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {

// XLOG_BLCKSZ as every distribution builds it; WAL of a server built with another one is refused at
// the first page that says so.
inline constexpr std::uint64_t kWalPageBytes = 8192;
inline constexpr std::size_t kWalShortHeaderBytes = 24;
inline constexpr std::size_t kWalLongHeaderBytes = 40;  // of the first page of a segment

// Records and page headers begin at multiples of it (MAXALIGN on every 64-bit platform).
inline constexpr std::uint64_t kWalAlignment = 8;
inline Lsn wal_aligned(Lsn lsn) {
    return Lsn{(lsn.value + kWalAlignment - 1) & ~(kWalAlignment - 1)};
}

// The little-endian number at `offset`, which the caller has checked to be within `bytes`.
template <typename Number>
Number load_wal(Bytes bytes, std::size_t offset) {
    Number value = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;)
        value = static_cast<Number>(value << 8 | std::to_integer<Number>(bytes[offset + i]));
    return value;
}
template <>
inline std::uint8_t load_wal(Bytes bytes, std::size_t offset) {
    return std::to_integer<std::uint8_t>(bytes[offset]);
}

struct WalPageHeader {
    int major = 0;            // 15 to 18
    bool continues = false;   // it begins with the rest of a record: `remaining` bytes
    bool overwrites = false;  // the record open before it was lost in a crash and never ends
    std::uint32_t timeline = 0;
    std::uint32_t remaining = 0;
    std::optional<std::uint64_t> system_id;  // only on the first page of a segment
};

// 40 on the first page of a segment, else 24.
[[nodiscard]] std::size_t wal_page_header_bytes(Lsn page, std::uint64_t segment_bytes);

// `header` has exactly that many bytes. `damaged` when it is not the header of the page that begins
// at `page`: magic, flags, address, segment and page size, remaining length without its flag.
Result<WalPageHeader> parse_wal_page_header(Bytes header, Lsn page, std::uint64_t segment_bytes);

// The error for all that can be wrong with WAL: damage at `lsn`.
Error broken_wal(Lsn lsn, std::string what);

// The bytes of `bytes` before the first one that is not zero.
[[nodiscard]] std::size_t count_leading_zeros(Bytes bytes);

}  // namespace asb
