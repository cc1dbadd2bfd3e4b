#pragma once
// Why this exists: what changed since the last backup stands in the WAL from that backup's end on;
// taking just that costs seconds where a base backup costs minutes.

#include "engine/engine.hpp"

namespace asb {

// Connects for replication, proves that the server's log goes on from the tail of its system in
// context.tails, and makes nothing on the server. A log that does not go on is the session's gap.
Result<std::unique_ptr<BackupSession>> open_wal_incremental(const Settings& settings,
                                                            SessionContext context);

}  // namespace asb
