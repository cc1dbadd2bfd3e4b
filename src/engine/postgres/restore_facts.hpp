#pragma once
// Why this exists: what the manifest says of a PostgreSQL backup is read once, with an error for
// what is not as a backup writes it, and given on as plain values.

#include <string>

#include "base/json.hpp"
#include "base/result.hpp"

namespace asb::postgres {

struct BackupIdentity {
    int major = 0;
    std::string version;   // "15.20"
    std::string end_lsn;   // where recovery ends; may be empty
    bool logical = false;  // dumps, not a data directory
    int dump_major = 0;    // logical: of the pg_dump that wrote them
};

// `damaged` when `facts` is not of a PostgreSQL backup.
Result<BackupIdentity> read_identity(const Json& facts);

// Refuses with `space` when less than `bytes` are free where `path` is or will be.
Status check_space(const std::string& path, std::uint64_t bytes, const char* hint);

// A power of two from 1 MiB to 1 GiB; `damaged` otherwise.
Result<std::uint64_t> wal_segment_bytes(const Json& facts);

}  // namespace asb::postgres
