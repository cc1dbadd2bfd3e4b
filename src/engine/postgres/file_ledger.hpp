#pragma once
// Why this exists: every file that passed is compared with what the server's manifest says must
// have passed, so that a lost, altered or foreign file is found while the backup is made, without a
// second read.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/postgres/server_manifest.hpp"

namespace asb {

// Memory: about 100 bytes a file.
class FileLedger {
  public:
    struct Entry {
        std::string path;  // as in the manifest: "base/5/1259", "pg_tblspc/16384/..."
        std::uint64_t size = 0;
        std::uint32_t crc32c = 0;
    };
    void add(Entry entry) {
        bytes_ += entry.size;
        entries_.push_back(std::move(entry));
    }
    [[nodiscard]] std::uint64_t files() const { return entries_.size(); }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    // `damaged`, naming the first file by path, unless exactly the manifest's files arrived, each
    // with its size and CRC-32C. Sorts both.
    Status compare(ServerManifest& manifest);

  private:
    std::vector<Entry> entries_;
    std::uint64_t bytes_ = 0;
};

}  // namespace asb
