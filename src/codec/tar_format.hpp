#pragma once
// Why this exists: the numbers of the tar header (POSIX.1-2017, pax, "ustar Interchange Format"),
// once for the writer and the parser.

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace asb::tar {

inline constexpr std::size_t kBlockBytes = 512;
using Block = std::array<std::byte, kBlockBytes>;

struct Field {
    std::size_t offset;
    std::size_t size;
};
inline constexpr Field kName{0, 100};
inline constexpr Field kMode{100, 8};
inline constexpr Field kUid{108, 8};
inline constexpr Field kGid{116, 8};
inline constexpr Field kSize{124, 12};
inline constexpr Field kMtime{136, 12};
inline constexpr Field kChecksum{148, 8};
inline constexpr Field kType{156, 1};
inline constexpr Field kLinkTarget{157, 100};
inline constexpr Field kMagic{257, 8};  // magic and version together
inline constexpr Field kUserName{265, 32};
inline constexpr Field kGroupName{297, 32};
inline constexpr Field kDeviceMajor{329, 8};
inline constexpr Field kDeviceMinor{337, 8};
inline constexpr Field kPrefix{345, 155};

inline constexpr std::string_view kUstarMagic{"ustar\00000", 8};

inline constexpr char kTypeFile = '0';
inline constexpr char kTypeFileOld = '\0';
inline constexpr char kTypeHardLink = '1';
inline constexpr char kTypeSymbolicLink = '2';
inline constexpr char kTypeFolder = '5';
inline constexpr char kTypeContiguousFile = '7';
inline constexpr char kTypePax = 'x';
inline constexpr char kTypePaxGlobal = 'g';
inline constexpr char kTypeGnuLongName = 'L';
inline constexpr char kTypeGnuLongTarget = 'K';

inline constexpr std::uint32_t kModeBits = 07777;

// How many bytes follow `size` bytes of data up to the next block.
inline std::uint64_t padding_of(std::uint64_t size) {
    return (kBlockBytes - size % kBlockBytes) % kBlockBytes;
}

// The sum of a header's bytes, its checksum field taken as spaces.
std::uint32_t checksum(Bytes block);

// Keyword and value of those pax extended header records that mean something to us; a later record
// of a keyword replaces the earlier one, and an empty value says "none: look into the ustar
// header". Others are not kept, so that a hostile stream cannot grow this.
using PaxRecords = std::map<std::string, std::string, std::less<>>;

// "<length> <keyword>=<value>\n", the length counting itself.
std::string pax_record(std::string_view keyword, std::string_view value);
// Stands for any of GNU's sparse keywords: what is stored is not what the file holds.
inline constexpr std::string_view kPaxSparse = "GNU.sparse.";
// Adds the records of one extended header to `records`; `damaged` when it is malformed (the caller
// adds where).
Status parse_pax(std::string_view text, PaxRecords& records);

struct PaxTime {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
};
// "1700000000.5", "-1.5"; digits beyond nanoseconds are dropped.
Result<PaxTime> parse_pax_time(std::string_view text);
std::string pax_time(PaxTime time);

}  // namespace asb::tar
