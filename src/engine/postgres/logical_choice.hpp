#pragma once
// Why this exists: POSTGRES_BACKUP_METHOD=auto takes a physical backup where the role may replicate
// and a logical one where it may not; that choice is made, and said aloud, in one place.

#include <memory>

#include "engine/engine.hpp"

namespace asb {

// The session of the method that the settings ask for; auto falls back to a logical backup when the
// role lacks REPLICATION, and for no other reason.
Result<std::unique_ptr<BackupSession>> open_postgres_session(const Settings& settings,
                                                             const SessionContext& context);

}  // namespace asb
