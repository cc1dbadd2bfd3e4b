#pragma once
// Why this exists: the few spans that lead from a base to a stop, and the first of them in which
// the stop can be.

#include "repo/recovery_plan.hpp"

namespace asb {

// The greatest position that is in, when the target is one: a limit leaves its own entry out.
std::uint64_t last_position(const LogTarget& target);

// The plan from `base` (of track.bases(), with its reach) to `target`, which is known to be within
// reach. Leaves RecoveryPlan::log and left_behind to the caller.
RecoveryPlan chain_from(const LogTrack& track, const LogBase& base, const LogTrack::Reach& reach,
                        const LogTarget& target);

}  // namespace asb
