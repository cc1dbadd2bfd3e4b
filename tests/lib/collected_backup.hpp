#pragma once
// Why this exists: a backup's entries laid out on disk as the documents say a restore by hand does
// it, so that a real server can be started on the result.

#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "codec/tar.hpp"
#include "lib/postgres_server.hpp"

namespace asb::test {

// Base goes to <folder>/data, WAL to <folder>/data/pg_wal, tablespaces to
// <folder>/tablespaces/<oid>; sizes and order are checked as a strict archive would.
class CollectedBackup final : public EntrySink {
  public:
    CollectedBackup() = default;
    ~CollectedBackup() override;
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;

    // Calls `hook` before each write, with all bytes so far; its error becomes the sink's.
    std::function<Status(std::uint64_t bytes_so_far)> hook;

    [[nodiscard]] const std::map<std::string, EntryHeader>& entries() const { return entries_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::string content(const std::string& name) const;
    // Points tablespace_map at the collected tablespaces and starts a server on the whole.
    std::unique_ptr<PostgresServer> start(std::vector<std::string> settings = {});

  private:
    [[nodiscard]] std::string path_of(const std::string& name) const;

    ServerFolder folder_;
    std::map<std::string, EntryHeader> entries_;
    EntryHeader open_;
    std::FILE* file_ = nullptr;
    std::uint64_t left_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace asb::test
