#pragma once
// Why this exists: a database is restored in the same way (roles, a copy beside the old one, a
// comparison, the swap) whether the backup is a data directory, which only a server can open, or
// dumps that pg_dump wrote. This is all that differs.

#include <memory>
#include <string>
#include <vector>

#include "codec/tar.hpp"
#include "engine/postgres/logical_catalog.hpp"
#include "engine/postgres/swap_check.hpp"

namespace asb::postgres {

// What pg_restore reads: a folder or a file.
struct StoredDump {
    std::string path;
    std::string pg_restore;  // the program that can read it
    std::string psql;        // of the same version
};

// The entries of the archive go in; when all have arrived, `open`, then the rest. One thread.
class CopySource : public EntrySink {
  public:
    // Everything has arrived: makes it answer the questions below.
    virtual Status open() = 0;
    // Databases of the backup that a user may connect to, templates left out, by name.
    virtual Result<std::vector<std::string>> databases() = 0;
    virtual Result<RoleList> roles() = 0;
    virtual Result<DatabaseDescription> describe(const std::string& database) = 0;
    // A dump of `database`, made now or long ago; it stays until `discard`.
    virtual Result<StoredDump> dump(const std::string& database, unsigned jobs) = 0;
    virtual Status discard(const std::string& database) = 0;
    // Proves that `copy` holds what the backup holds of `database`, before its dump is discarded.
    virtual Result<Compared> compare(const std::string& database, Connection& copy) = 0;
};

}  // namespace asb::postgres
