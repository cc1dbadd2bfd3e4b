#pragma once
// Why this exists: an instant that an operator types at three in the morning must mean one moment
// and no other: a time without its zone is ambiguous, twice a year by an hour, and is refused.

#include <functional>
#include <string>
#include <string_view>

#include "engine/log_search.hpp"

namespace asb {

// RFC 3339 (section 5.6) to the microsecond: "2024-01-15T14:30:00Z",
// "2024-01-15 14:30:00.123456+02:00". `usage` for anything else: a date that the calendar does not
// have, a leap second, and above all a time without a zone.
Result<CommitTime> parse_target_time(std::string_view text);

// "S" or "S:I", seconds and ordinal of an optime, as mongorestore's --oplogLimit takes it; the
// place of the first entry left out. `usage` for anything else, and for 0, which mongorestore takes
// for no limit at all.
Result<LogPoint> parse_oplog_limit(std::string_view text);

// What was said of where to stop; empty: not said.
struct TargetWords {
    std::string time;         // --target-time; also "latest"
    std::string position;     // --target-position
    std::string name;         // --target-name
    std::string oplog_limit;  // --oplog-limit
    [[nodiscard]] bool empty() const {
        return time.empty() && position.empty() && name.empty() && oplog_limit.empty();
    }
};

// A position in the database's own words (Engine::parse_position).
using ParsePosition = std::function<Result<LogPoint>(std::string_view)>;

// `usage` unless exactly one is said, and that one is right.
Result<LogTarget> parse_target(const TargetWords& words, const ParsePosition& parse_position);

}  // namespace asb
