#pragma once
// Why this exists: one physical backup from the first question to the last byte of WAL, as a
// straight list of steps.

#include <optional>

#include "engine/engine.hpp"
#include "engine/postgres/base_backup_stream.hpp"
#include "engine/postgres/server_identity.hpp"

namespace asb {

// Connects to DATABASE_URL for replication and proves version, role and a free slot. The session
// makes its slot and starts the backup in write_entries; whatever happens, nothing of it stays on
// the server.
Result<std::unique_ptr<BackupSession>> open_base_backup(const Settings& settings,
                                                        SessionContext context);

// The bytes of all databases that the role may ask about; nullopt when there is no ordinary
// connection to be had, which a backup does not need.
std::optional<std::uint64_t> database_bytes(std::string_view conninfo, const StopToken& stop);

}  // namespace asb
