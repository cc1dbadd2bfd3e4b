#pragma once
// Why this exists: the server's backup_manifest says which files the backup must hold, with size
// and checksum of each; it is the server's own word against which all that arrived is proved.
// Format: PostgreSQL manual, chapter "Backup Manifest Format" (versions 1: 13-16, 2: 17 and on).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/postgres/lsn.hpp"

namespace asb {

// 100,000 files make about 15 MB of manifest; beyond this it is not one.
inline constexpr std::size_t kServerManifestBytesMax = std::size_t{1} << 30;

struct ServerManifest {
    struct File {
        std::string path;  // as on the server, relative to the data directory; any bytes
        std::uint64_t size = 0;
        std::string checksum_algorithm;  // "CRC32C", "SHA256"; empty: none
        std::string checksum;            // hex, lower case
    };
    struct WalRange {
        std::uint32_t timeline = 0;
        Lsn start;
        Lsn end;
    };
    std::uint64_t version = 0;
    std::uint64_t system_identifier = 0;  // version 2; else 0
    std::vector<File> files;
    std::vector<WalRange> wal_ranges;
};

// The whole manifest, its own SHA-256 checked. `damaged` when it is not a manifest of version 1 or
// 2 or its checksum does not match. Time and memory are linear in its size.
Result<ServerManifest> parse_server_manifest(std::string_view text);

}  // namespace asb
