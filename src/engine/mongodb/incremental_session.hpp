#pragma once
// Why this exists: what changed since the last backup is the oplog from its end on.

#include "base/settings.hpp"
#include "engine/engine.hpp"
#include "engine/mongodb/dump_member.hpp"
#include "engine/mongodb/oplog_continuation.hpp"

namespace asb {

// Which server and which of its log the settings mean.
struct OplogSource {
    DumpMember member;
    std::string database;  // empty: the deployment
    std::string identity;
};
// Connects as a full backup does; `database` for a server without an oplog, or when it may not be
// read.
Result<OplogSource> open_oplog_source(const Settings& settings, const StopToken& stop, Log& log);

// `database` while the member that is read does not have the tail yet, though it is no gap.
Status check_not_behind(const DumpMember& member, const OplogTail& tail);

// See Engine::open_incremental.
Result<std::unique_ptr<BackupSession>> open_mongodb_incremental(const Settings& settings,
                                                                SessionContext context);

}  // namespace asb
