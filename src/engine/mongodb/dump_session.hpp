#pragma once
// Why this exists: one backup of a MongoDB deployment or database from the first question to the
// last oplog entry, as a straight list of steps.

#include "engine/engine.hpp"

namespace asb {

// Connects to DATABASE_URL, chooses the member to read from and proves version, role and oplog.
// Nothing stays on the server but what the run does with its cursors.
Result<std::unique_ptr<BackupSession>> open_mongodb_dump(const Settings& settings,
                                                         SessionContext context);

}  // namespace asb
