#pragma once
// Why this exists: a slot fills the server's disk or is lost, a log is removed before it was taken:
// all of that can be seen before it hurts.

#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace asb {

// Lines of `check` about the slot and the WAL since `tails`, where the repository's logs end.
// Looks only. Nothing for a server that cannot be reached, which other lines tell.
std::vector<CheckLine> check_postgres_log(const std::string& conninfo,
                                          const std::vector<LogTail>& tails, const StopToken& stop);

}  // namespace asb
