#pragma once
// Why this exists: `check` shows every precondition of a physical backup as one line, in the order
// in which an operator would mend them, each FAIL with the SQL or pg_hba line that does it.

#include <vector>

#include "engine/engine.hpp"

namespace asb {

// Connects to `conninfo` as a backup would, twice: for SQL and for replication. Needs no right but
// the backup's own. Leaves nothing on the server.
std::vector<CheckLine> check_postgres(std::string_view conninfo, const StopToken& stop);

}  // namespace asb
