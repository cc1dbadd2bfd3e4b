#pragma once
// Why this exists: see LogFollower: the oplog, taken while it is written.

#include "base/settings.hpp"
#include "engine/engine.hpp"

namespace asb {

// Goes on from the tail of this deployment or database among context.tails.
//
// The oplog is asked again every second from the last entry on, which must be there again, byte for
// byte; so each answer proves that nothing is missing, whatever happened to the connection or the
// set since. No cursor stays open on an idle server: a server may take one that waits for new
// entries and never feed it (secantusd-rs does).
Result<FollowerOpening> follow_mongodb(const Settings& settings, SessionContext context);

}  // namespace asb
