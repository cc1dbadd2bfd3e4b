#pragma once
// Why this exists: a backup every six hours loses six hours. Following the log while it is written
// loses seconds; what both databases need for that is one loop: take what is new, keep it, say so.

#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "engine/log.hpp"
#include "io/byte_stream.hpp"

namespace asb {

// A piece of log that begins and ends between two records (PostgreSQL) or positions (MongoDB).
// Kept bytes: of PostgreSQL the WAL itself, of MongoDB the entries as BSON, one after another.
struct LogChunk {
    LogRange range;
    Bytes bytes;  // borrowed until the next call of the follower
    LogTimes times;
    std::uint64_t last_record = 0;  // as LogFacts::last_record
    Json tail = Json::object();     // as LogFacts::tail, of the end of the range
};

// A line that the log went over to; PostgreSQL's history file with its text.
struct LogLineChange {
    LogBranch branch;
    std::string history;
};

struct LogLag {
    std::uint64_t bytes = 0;  // written at the server and not yet taken; MongoDB: entries' bytes
                              // are not known beforehand, and this is 0
    std::chrono::milliseconds
        time{};  // since the server wrote what was taken last; 0: nothing is waiting
};

// One connection to a source's log. One thread at a time.
class LogFollower {
  public:
    virtual ~LogFollower() = default;
    // What is new, at most about `bytes_max`, or nullopt when `deadline` passes first. `database`
    // when the connection is lost (the caller opens another one, with back-off); `incomplete` when
    // the log holds something that no recovery gets over: a gap, which a full backup mends.
    struct News {
        std::optional<LogChunk> chunk;
        std::optional<LogLineChange> change;  // before the first chunk of the new line
    };
    virtual Result<std::optional<News>> next(std::size_t bytes_max, Deadline deadline) = 0;
    // Everything before `point` is durable in the repository: the server may forget it, and a
    // commit that waits for that may end.
    virtual Status confirm(const LogPoint& point) = 0;
    [[nodiscard]] virtual LogLag lag() const = 0;
};

// What opening a follower found.
struct FollowerOpening {
    std::unique_ptr<LogFollower> follower;  // null when there is a gap
    std::string gap;                        // why the log does not go on from the tail
    LogTail tail;                           // what it goes on from; meaningless with a gap
};

}  // namespace asb
