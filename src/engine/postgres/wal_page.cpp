#include "engine/postgres/wal_page.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace asb {
namespace {

// Of xlp_info.
constexpr std::uint16_t kContinues = 0x0001;   // XLP_FIRST_IS_CONTRECORD
constexpr std::uint16_t kLongHeader = 0x0002;  // XLP_LONG_HEADER
constexpr std::uint16_t kOverwrites = 0x0008;  // XLP_FIRST_IS_OVERWRITE_CONTRECORD
constexpr std::uint16_t kAllFlags = 0x000f;    // XLP_ALL_FLAGS

// XLOG_PAGE_MAGIC of each major; 0 when it is none of them.
int major_of(std::uint16_t magic) {
    switch (magic) {
        case 0xD110:
            return 15;
        case 0xD113:
            return 16;
        case 0xD116:
            return 17;
        case 0xD118:
            return 18;
        default:
            return 0;
    }
}

Status check_sizes(Bytes header, Lsn page, std::uint64_t segment_bytes) {
    const auto segment = load_wal<std::uint32_t>(header, 32);
    const auto block = load_wal<std::uint32_t>(header, 36);
    if (segment != segment_bytes)
        return broken_wal(
            page, fmt::format("its segments are of {} bytes, not of {}", segment, segment_bytes));
    if (block != kWalPageBytes)
        return broken_wal(
            page, fmt::format("its pages are of {} bytes; only {} is read", block, kWalPageBytes));
    return {};
}

}  // namespace

Error broken_wal(Lsn lsn, std::string what) {
    return with_hint(fail(Code::damaged, "the WAL is broken at {}: {}", to_text(lsn), what),
                     "recovery cannot go past this place; verify the archive that holds it and "
                     "take a new full backup");
}

std::size_t wal_page_header_bytes(Lsn page, std::uint64_t segment_bytes) {
    return page.value % segment_bytes == 0 ? kWalLongHeaderBytes : kWalShortHeaderBytes;
}

Result<WalPageHeader> parse_wal_page_header(Bytes header, Lsn page, std::uint64_t segment_bytes) {
    const auto magic = load_wal<std::uint16_t>(header, 0);
    const auto info = load_wal<std::uint16_t>(header, 2);
    const Lsn address{load_wal<std::uint64_t>(header, 8)};
    const bool is_long = header.size() == kWalLongHeaderBytes;
    WalPageHeader parsed;
    parsed.major = major_of(magic);
    if (parsed.major == 0)
        return broken_wal(page,
                          fmt::format("no page of PostgreSQL 15 to 18 (magic {:04X})", magic));
    if ((info & ~kAllFlags) != 0 || ((info & kLongHeader) != 0) != is_long)
        return broken_wal(page, fmt::format("the page's flags are {:04X}", info));
    if (address != page)
        return broken_wal(page, fmt::format("the page says that it is {}", to_text(address)));
    parsed.continues = (info & kContinues) != 0;
    parsed.overwrites = (info & kOverwrites) != 0;
    parsed.timeline = load_wal<std::uint32_t>(header, 4);
    parsed.remaining = load_wal<std::uint32_t>(header, 16);
    if (parsed.continues != (parsed.remaining != 0) || (parsed.continues && parsed.overwrites))
        return broken_wal(page, fmt::format("the page's flags are {:04X} with {} bytes to go on",
                                            info, parsed.remaining));
    if (!is_long) return parsed;
    ASB_CHECK(check_sizes(header, page, segment_bytes));
    parsed.system_id = load_wal<std::uint64_t>(header, 24);
    return parsed;
}

std::size_t count_leading_zeros(Bytes bytes) {
    // Compared with itself one byte on, at the speed of memcmp; the place is looked for only when
    // there is one.
    if (bytes.empty() || bytes[0] != std::byte{0}) return 0;
    if (std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0) return bytes.size();
    return static_cast<std::size_t>(
        std::ranges::find_if(bytes, [](std::byte b) { return b != std::byte{0}; }) - bytes.begin());
}

}  // namespace asb
