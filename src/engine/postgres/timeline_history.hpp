#pragma once
// Why this exists: a promotion begins a new timeline, and what the old one still wrote after that
// moment belongs to nobody. A timeline's history file says where each one before it was left.

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/log.hpp"
#include "engine/postgres/connection.hpp"

namespace asb {

// The text of the timeline's history file, asked of the server on a replication connection.
Result<std::string> read_timeline_history(Connection& connection, std::uint32_t timeline);

// The ancestry of `timeline` from the text of its history file (PostgreSQL 15 manual, 26.3.6;
// readTimeLineHistory in src/backend/access/transam/timeline.c): one branch a line, the oldest
// first. `database` for a text that is none.
Result<std::vector<LogBranch>> parse_timeline_history(std::string_view text,
                                                      std::uint32_t timeline);

// The branch that leaves `line`; null when none of `branches` does.
[[nodiscard]] const LogBranch* branch_from(const std::vector<LogBranch>& branches,
                                           std::uint32_t line);

}  // namespace asb
