#pragma once
// Why this exists: which cluster this is and how it writes its log, as far as a replication
// connection can tell without any right but REPLICATION.

#include <string>

#include "engine/postgres/connection.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {

struct ServerIdentity {
    std::string version;  // "15.18"
    int version_number = 0;
    std::string system_identifier;
    std::uint32_t timeline = 0;
    Lsn log_end;  // flushed; of a standby, received
    std::uint64_t wal_segment_bytes = 0;
    bool in_recovery = false;  // a standby
    bool page_checksums = false;
};

// Asks a replication connection.
Result<ServerIdentity> identify_server(Connection& connection);

// "16MB" or "1GB", as SHOW prints a size; anything else is `database`.
Result<std::uint64_t> parse_setting_bytes(std::string_view text);

// Proves that a slot can be made, by making one that ends with the connection and dropping it.
Status probe_slot(Connection& connection);
// Makes a temporary slot that keeps the WAL from now on, and returns its name. It ends with the
// connection, however that ends.
Result<std::string> create_temporary_slot(Connection& connection);

}  // namespace asb
