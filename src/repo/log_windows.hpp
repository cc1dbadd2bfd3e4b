#pragma once
// Why this exists: the answer to "back to when?", before anybody asks for one instant: each stretch
// of time that can be restored without a hole, and each hole.

#include <vector>

#include "repo/log_track.hpp"

namespace asb {

// Every instant and every position from `from` to `to` can be reached from one base, over later
// full backups too.
struct LogWindow {
    std::uint32_t base =
        0;          // index into LogHistory::backups: the oldest one that reaches all of it
    LogPoint from;  // its consistent point
    LogPoint to;
    CommitTime from_time{};
    // Nothing that was committed by then is missing. After the last commit nothing happened, so
    // that what lies between the two is reachable.
    CommitTime to_time{};
    CommitTime last_commit = kNoTime;  // in the window; kNoTime: none is known
    // Set when it goes beyond what the newest line (`line`) has: that has the same up to `at` only,
    // a place on `parent`. What comes after that is reached by its position on its own line; an
    // instant that a newer line has too is the newer one's.
    std::optional<LogBranch> left_behind{};

    friend bool operator==(const LogWindow&, const LogWindow&) = default;
};

// Nothing covers what is between; what comes after it is out of reach until the next base.
struct LogGap {
    LogPoint from;
    LogPoint to;
    // Where what is kept behind it ends, or has its next gap; and how far that tells of commits.
    LogPoint kept_to{};
    CommitTime kept_until = kNoTime;

    friend bool operator==(const LogGap&, const LogGap&) = default;
};

struct LogWindows {
    std::vector<LogWindow> windows;  // by position
    std::vector<LogGap> gaps;        // after the first base
};

// Of one way through the log. None of the windows is part of another.
LogWindows windows_of(const LogTrack& track);
// Of all ways: the newest line's first; of an older line, those that go on after it was left. None
// of the windows is part of another.
LogWindows restorable_windows(const DatabaseLog& log);

// Up to where two ways are the same; nullopt when they begin on different lines.
std::optional<std::uint64_t> common_until(const LogTrack& a, const LogTrack& b);
// As LogWindow::left_behind, for what ends at `end` on `track`.
std::optional<LogBranch> left_before(const LogTrack& track, const LogTrack& newest,
                                     std::uint64_t end);

}  // namespace asb
