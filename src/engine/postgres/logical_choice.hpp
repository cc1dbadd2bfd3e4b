#pragma once
// Why this exists: POSTGRES_BACKUP_METHOD=auto takes a physical backup where the role may replicate
// and a logical one where it may not; that choice is made, and said aloud, in one place.

#include <memory>

#include "engine/engine.hpp"

namespace asb {

// The session of the method that the settings ask for.
Result<std::unique_ptr<BackupSession>> open_postgres_session(const Settings& settings,
                                                             const SessionContext& context);

// Whether `error`, of an attempt to open a physical backup, says that the role may not replicate or
// is not let in for it: then another method may do. A server that is away or full is no such case.
[[nodiscard]] bool cannot_replicate(const Error& error);

}  // namespace asb
