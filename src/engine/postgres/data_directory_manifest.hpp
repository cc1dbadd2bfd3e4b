#pragma once
// Why this exists: PostgreSQL says itself, in backup_manifest, which files make a backup whole;
// a restore is whole when exactly these arrived, with that size and that CRC-32C.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"

namespace asb::postgres {

struct ArrivedFile {
    std::uint64_t size = 0;
    std::uint32_t crc = 0;  // CRC-32C of its bytes
};
using ArrivedFiles = std::unordered_map<std::string, ArrivedFile>;  // by path in the data directory

inline constexpr std::size_t kServerManifestBytesMax =
    1024UL * 1024 * 1024;  // 5 million files at 200 bytes; far beyond what one server holds

// `damaged` names the first file of the server's manifest (backup_manifest, version 1 or 2, read as
// a stream of JSON events) that has not arrived as listed. Checksums of other algorithms than
// CRC32C are not compared.
Status check_against_manifest(std::string_view manifest, const ArrivedFiles& arrived);

}  // namespace asb::postgres
