#pragma once
// Why this exists: a place in the WAL as people write it. Where a timeline was left, the same
// position means two things, so what is printed may name the timeline, and what was printed can be
// given back.

#include <string>
#include <string_view>

#include "engine/log.hpp"

namespace asb {

// "0/2000028", or "0/2000028 (timeline 2)" of a point whose line is not 0.
std::string wal_point_text(const LogPoint& point);
// The inverse; `usage` for anything else.
Result<LogPoint> parse_wal_point(std::string_view text);

}  // namespace asb
