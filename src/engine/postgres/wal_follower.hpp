#pragma once
// Why this exists: see LogFollower: PostgreSQL's WAL, taken while it is written.

#include "base/settings.hpp"
#include "engine/engine.hpp"

namespace asb {

// Goes on from the tail of this server's system among context.tails, from our slot (POSTGRES_SLOT).
// Makes the slot when it is missing. `busy` while somebody else streams from the slot: another
// stream, or one whose connection was lost and that the server has not noticed yet.
//
// A chunk ends between two records, but a record of more than 16 MiB is cut: then last_record is
// 0 or before it, and the tail says {"inside_record": true}.
Result<FollowerOpening> follow_wal(const Settings& settings, const SessionContext& context);

// Drops the slots of context.tails that this server has; their names.
Result<std::vector<std::string>> drop_log_slots(const Settings& settings,
                                                const SessionContext& context);

}  // namespace asb
