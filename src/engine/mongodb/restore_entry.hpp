#pragma once
// Why this exists: the way into a MongoDB restore: what the target must be like, what would be
// replaced, which entries of an archive are needed.

#include <memory>
#include <span>
#include <vector>

#include "base/settings.hpp"
#include "engine/engine.hpp"

namespace asb {

// What a restore would do and replace. Reads only. Refuses what open_mongodb_restore refuses:
// `refused` for a target that holds data without --force, `database` for a server that is older
// than the backup, `busy` while another restore runs there. Settings used: DATABASE_URL.
Result<RestorePlan> plan_mongodb_restore(const Settings& settings, const RestoreRequest& request,
                                         const Json& facts);

// A session for the entries below "mongodb/".
Result<std::unique_ptr<RestoreSession>> open_mongodb_restore(const Settings& settings,
                                                             const RestoreRequest& request,
                                                             const Json& facts,
                                                             SessionContext context);

// See Engine::choose_entries. The oplog and all metadata that may be of a chosen collection are
// needed with any part.
Result<std::vector<bool>> choose_mongodb_entries(const Settings& settings,
                                                 const RestoreRequest& request, const Json& facts,
                                                 std::span<const StoredEntry> entries);

// Databases, and each collection with the bytes of its documents.
std::vector<ContentLine> mongodb_contents(std::span<const StoredEntry> entries);

}  // namespace asb
