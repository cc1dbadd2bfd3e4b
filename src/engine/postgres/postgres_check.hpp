#pragma once
// Why this exists: `check` shows every precondition of a backup as one line, in the order
// in which an operator would mend them, each FAIL with the SQL or pg_hba line that does it.

#include <vector>

#include "engine/engine.hpp"

namespace asb {

struct CheckOptions {
    std::string conninfo;
    std::string method = "auto";  // POSTGRES_BACKUP_METHOD
    std::string bin_dir = {};     // POSTGRES_BIN_DIR
};

// Connects as a backup would: for SQL, and unless a logical one is asked for, for replication.
// Needs no right but the backup's own. Leaves nothing on the server.
std::vector<CheckLine> check_postgres(const CheckOptions& options, const StopToken& stop);

}  // namespace asb
