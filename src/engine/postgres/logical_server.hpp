#pragma once
// Why this exists: before the first dump begins, every database of the cluster is tried, so that a
// run fails early, knows its size, and names what it has to leave out.

#include <string>
#include <vector>

#include "engine/postgres/connection.hpp"
#include "engine/postgres/logical_catalog.hpp"

namespace asb::postgres {

struct LogicalServer {
    std::string version;  // "15.20"
    int version_number = 0;
    bool in_recovery = false;
    std::string address;
    std::string user;
    std::string database;  // that the URL leads to
    std::uint64_t bytes = 0;
    LogicalCatalog catalog;           // roles, and the databases that we may connect to
    std::vector<std::string> closed;  // those that we may not, each with the reason
    std::string tablespace_comments;  // SQL comments for globals.sql
};

// Connects as a backup would. `database` when the URL's own database is not to be had.
Result<LogicalServer> look_at_server(const std::string& url, const StopToken& stop);

}  // namespace asb::postgres
