#pragma once
// Why this exists: a role that may not replicate (managed services give none that may) still reads
// every database; then the backup is pg_dump's own format, one dump a database, and the roles.

#include <memory>

#include "engine/engine.hpp"

namespace asb {

// Why a physical backup was not to be had, and what mends it; both empty when a logical one was
// asked for.
struct NotPhysical {
    std::string fact;
    std::string fix;
};

// Connects to DATABASE_URL and to every database of its cluster, proves that pg_dump is there and
// new enough. The session runs pg_dump, one database after the other, each a snapshot of its own.
// `why` is among its warnings, and in the hint should it fail.
Result<std::unique_ptr<BackupSession>> open_logical_backup(const Settings& settings,
                                                           const SessionContext& context,
                                                           const NotPhysical& why = {});

}  // namespace asb
