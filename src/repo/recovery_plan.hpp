#pragma once
// Why this exists: which objects bring a database back to an instant, or why none do: decided from
// what the repository holds, before anything is touched. `explain`, `restore --dry-run` and the
// restore itself ask the same pure function.
//
// What was committed by an instant T is, as PostgreSQL defines it for recovery_target_time: in the
// order of the log, everything before the first commit whose time is later than T. A database's
// clock can step, so times need not ascend.

#include <optional>
#include <variant>
#include <vector>

#include "engine/log_search.hpp"
#include "repo/log_windows.hpp"

namespace asb {

// A part of the log to read. 32 bytes: there may be a million.
struct PlannedSpan {
    std::uint32_t span = 0;  // index into DatabaseLog::spans
    LogRange range;          // what of it is needed, on the plan's way; the next one goes on there
};

// Another log on which the same instant can be reached, and the base that would begin it there.
struct OtherWay {
    std::size_t log = 0;     // index into LogHistory::logs
    std::uint32_t base = 0;  // index into LogHistory::backups

    friend bool operator==(const OtherWay&, const OtherWay&) = default;
};

struct RecoveryPlan {
    std::size_t log = 0;  // index into LogHistory::logs
    LogTarget target;
    LogBase base;
    // In order, without a gap: first what the base itself holds, then the fewest others. Reading
    // them to the end is enough; the stop may come before.
    std::vector<PlannedSpan> spans;
    LogPoint end;                     // of the last span; the base's consistent point without any
    std::vector<LogBranch> branches;  // of the lines on the way to end.line
    // Set when the way goes beyond what the newest line (`line`) has: that has the same up to `at`
    // only, a place on `parent`. What is restored then holds what was given up at a promotion.
    std::optional<LogBranch> left_behind;
    // Where the exact stop is looked for.
    struct Search {
        std::size_t first = 0;  // index into `spans`: the first one to feed into LogSearch
        LogPoint from;          // within what that span holds, and perhaps before its `range`
        LogPoint until;         // nothing after it needs to be fed
    };
    Search search;
    // Of a position: what goes on from `end`, up to a span that surely holds a commit; read only to
    // name the first transaction left out.
    std::vector<PlannedSpan> beyond;
    // Of a time: the other logs that reach it too, the newest first. What they bring back is not
    // the same: each is of a server that wrote by itself.
    std::vector<OtherWay> others{};
};

// A point that can be reached, nearest to one that cannot.
struct ReachableInstant {
    std::size_t log = 0;     // index into LogHistory::logs
    std::uint32_t base = 0;  // index into LogHistory::backups
    CommitTime time{};
    LogPoint point;
};

struct Unreachable {
    enum class Why {
        no_base,       // no full backup from which a log goes on
        unknown_line,  // nothing is known of the line that the target names
        before_first,  // before the first base is consistent
        gap,           // between two windows, or in or behind a gap after the last one
        after_end,     // later than all that is kept
        no_name,       // all that is kept was searched for the name
    };
    Why why = Why::no_base;
    std::optional<LogGap> gap;  // what is missing after `before`
    std::optional<ReachableInstant> before;
    std::optional<ReachableInstant> after;
    // Of a position that names no line: it cannot be reached on the newest one, and on this one it
    // can.
    std::optional<LogPoint> on_other_line{};
};

using Planned = std::variant<RecoveryPlan, Unreachable>;

// Time: the newest log and line on which it can be reached, there the newest base that was
// consistent by then, on all that follows it until the first commit after the target or, where
// there is none, until nothing that was committed by then can be missing.
// Position: on the line it names, or with line 0 on the newest one; in the newest log, or an older
// one of the same database.
// Latest: as far as one gets from the newest base.
// Name: a plan as of the first attempt of plan_name.
Planned plan_recovery(const LogHistory& history, const LogTarget& target);

// No time says where a name is: it has to be looked for, from one base after the other. Attempt 0
// is from the newest base; each further one goes back to the next older base, and searches from
// there to where the attempt before began, or as far as one gets. Where the name is found,
// plan_recovery to that position gives the plan to follow.
Planned plan_name(const LogHistory& history, const LogTarget& target, std::size_t attempt);

}  // namespace asb
