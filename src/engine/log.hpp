#pragma once
// Why this exists: PostgreSQL's WAL and MongoDB's oplog are both a log that goes on between two
// backups. What the catalog needs of it (places, ranges, times, branches) is told in the same words
// for both, so that one planner can say which instants can be reached.

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace asb {

// A place in a database's log. `line` tells branches apart: PostgreSQL's timeline, 0 for MongoDB.
// `at` orders places on one line: an LSN; seconds << 32 | ordinal of an optime.
struct LogPoint {
    std::uint32_t line = 0;
    std::uint64_t at = 0;
    friend auto operator<=>(const LogPoint&, const LogPoint&) = default;
};

// From one place to another on one line; the next range begins where this one ends. PostgreSQL: the
// bytes from `start` on and before `end`; MongoDB: the entries after `start`, up to and with `end`.
struct LogRange {
    std::uint32_t line = 0;
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    friend auto operator<=>(const LogRange&, const LogRange&) = default;
};

// Where a line left another one (PostgreSQL's timeline history).
struct LogBranch {
    std::uint32_t line = 0;
    std::uint32_t parent = 0;
    std::uint64_t at = 0;  // on both
    friend auto operator<=>(const LogBranch&, const LogBranch&) = default;
};

// The database's clock: when a transaction was committed. Finer than Instant, since thousands are
// committed in a millisecond.
using CommitTime = std::chrono::sys_time<std::chrono::microseconds>;

// What is known of the commits in a range.
struct LogTimes {
    std::uint64_t commits = 0;
    CommitTime newest_commit{};  // the latest time of any commit; meaningless without commits
    // Whatever was committed at or before this time, by the database's clock, is in the range or
    // before it.
    CommitTime covered_until{};
};

// What a backup says of the log: in the manifest as "log" (docs/FORMAT.md).
struct LogFacts {
    // The repository's name for this log: that of the tail it goes on from, or a new one.
    std::string log_id;
    // Whose log: PostgreSQL's system identifier; MongoDB's replica set. Positions of different
    // identities have nothing to do with each other.
    std::string identity;
    // What of the log the archive holds: contiguous, one range a line, ascending.
    std::vector<LogRange> ranges;
    std::vector<LogBranch> branches;  // how the lines of `ranges` are related; and all before them
    // Of a full backup: restored, it is the database as it was here; earlier is not reachable.
    std::optional<LogPoint> consistent;
    CommitTime consistent_at{};
    LogTimes times;
    // Where the last complete record (PostgreSQL) or entry (MongoDB) of the archive begins: the
    // last place at which recovery can be told to stop. 0: the ranges hold none.
    std::uint64_t last_record = 0;
    // What the engine needs to prove that the log goes on from here, in its own words; small.
    Json tail = Json::object();

    [[nodiscard]] LogPoint end() const { return {ranges.back().line, ranges.back().end}; }
};

// Where an incremental backup or a stream goes on: the end of what is kept already.
struct LogTail {
    std::string log_id;
    std::string identity;
    LogPoint end;
    std::vector<LogBranch> branches;
    Json tail = Json::object();  // LogFacts::tail of whoever wrote that end
    std::string written_by;      // the backup that ends there: its name
    std::string written_by_id;   // and its id
};

// Where a recovery stops. PostgreSQL: `at` is where a record begins, and `inclusive` says whether
// it is the last one in or the first one out. MongoDB: an entry, likewise.
struct LogStop {
    LogPoint point;
    bool inclusive = false;
};

// "00000001", "0000000002000028": as names of objects and manifests have them.
std::string line_text(std::uint32_t line);
std::string point_text(std::uint64_t at);
// The inverse: exactly 8 or 16 upper-case hex digits; nullopt for anything else.
std::optional<std::uint32_t> parse_line(std::string_view text);
std::optional<std::uint64_t> parse_point(std::string_view text);

// "2024-01-15T14:30:00.123456Z"
std::string to_iso8601_us(CommitTime time);

}  // namespace asb
