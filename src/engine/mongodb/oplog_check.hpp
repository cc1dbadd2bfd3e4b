#pragma once
// Why this exists: an oplog that rolls over before the next incremental backup makes that one a
// full one; it can be seen coming.

#include "base/settings.hpp"
#include "engine/engine.hpp"

namespace asb {

// Lines of `check` about the oplog since `tails`, where the repository's logs end. Nothing for a
// server that cannot be reached, which other lines tell.
std::vector<CheckLine> check_mongodb_log(const Settings& settings,
                                         const std::vector<LogTail>& tails, const StopToken& stop);

}  // namespace asb
