#pragma once
// Why this exists: the catalog knows in which stretch of the log an instant lies; which transaction
// is the last one in and which the first one out, the log itself says.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "engine/log.hpp"

namespace asb {

// Where an operator wants to go.
struct LogTarget {
    enum class Kind {
        latest,
        time,      // what was committed at or before `time`
        position,  // what was committed by then: PostgreSQL, commit records that end at or before
                   // it; MongoDB, entries at or before it
        limit,     // MongoDB: entries before it (mongorestore's --oplogLimit)
        name,      // PostgreSQL: up to the restore point of that name
    };
    Kind kind = Kind::latest;
    CommitTime time{};
    LogPoint position;  // line 0: whichever line the repository's log is on there
    std::string name;
    std::string text;  // as it was said
};

// A committed transaction in the log.
struct CommitMark {
    LogPoint begin;  // of its commit record or entry
    LogPoint end;
    CommitTime at{};
};

// Reads stretches of the log in order and finds the stop. One thread at a time.
class LogSearch {
  public:
    virtual ~LogSearch() = default;
    // `bytes` begin at `start` and go on from what was fed before (or from the first call's start,
    // which is the beginning of a record).
    virtual Status feed(const LogPoint& start, Bytes bytes) = 0;
    // Nothing more needs to be fed.
    [[nodiscard]] virtual bool done() const = 0;
    struct Found {
        std::optional<CommitMark> last_in;    // of what was fed
        std::optional<CommitMark> first_out;  // absent: what was fed ends before there is one
        std::optional<LogStop> stop;          // absent for a name that was not found
        std::uint64_t names = 0;              // restore points of that name
    };
    [[nodiscard]] virtual Found found() const = 0;
};

}  // namespace asb
