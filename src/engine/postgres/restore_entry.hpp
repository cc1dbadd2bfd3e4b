#pragma once
// Why this exists: the two ways back from a physical backup, a data directory or the databases of
// DATABASE_URL, behind one plan and one session.

#include <memory>

#include "base/settings.hpp"
#include "engine/engine.hpp"

namespace asb {

// What a restore would do and replace. Looks only: at folders, at the installed programs, and over
// a connection that changes nothing. Refuses what open_postgres_restore refuses. Settings used:
// DATABASE_URL, POSTGRES_BIN_DIR, POSTGRES_RUN_AS.
Result<RestorePlan> plan_postgres_restore(const Settings& settings, const RestoreRequest& request,
                                          const Json& facts);

// A session for the entries below "postgresql/". With `request.target_dir` a data directory there,
// else the database of DATABASE_URL (or all of the backup).
Result<std::unique_ptr<RestoreSession>> open_postgres_restore(const Settings& settings,
                                                              const RestoreRequest& request,
                                                              const Json& facts,
                                                              SessionContext context);

}  // namespace asb
