#pragma once
// Why this exists: incremental backups and `stream` take the WAL from where the last one ended, on
// whichever timeline the server is by now, or have to say why it does not go on from there.

#include <optional>
#include <string>
#include <vector>

#include "engine/log_follower.hpp"
#include "engine/postgres/connection.hpp"
#include "engine/postgres/messages.hpp"
#include "engine/postgres/server_identity.hpp"

namespace asb {

// What the server's log is to somebody who has it up to `end`.
struct LogJoint {
    std::vector<LogBranch> branches;  // the ancestry of the server's timeline
    std::string gap;                  // why the log does not go on from `end`; empty: it does
    // With a gap: what the server has is not what the backups hold, even at the same positions of
    // the same timeline.
    bool other_history = false;
};
// Asks for the history of the server's timeline and compares. A standby that has not received `end`
// yet is an error (`database`), not a gap.
Result<LogJoint> join_log(Connection& connection, const ServerIdentity& server, const LogPoint& end,
                          const std::vector<LogBranch>& known);

// WAL over a replication connection, borrowed, across timeline switches. One thread at a time.
class WalStream {
  public:
    // `slot` may be empty: then nothing is kept for us. `joint` of `from`, without a gap.
    WalStream(Connection& connection, std::string slot, LogJoint joint)
        : connection_(connection), slot_(std::move(slot)), joint_(std::move(joint)) {}

    // Begins at `from`, any byte. An error with `gap` set: the server no longer has it.
    Status start(const LogPoint& from);
    struct Event {
        // One of the three.
        Bytes wal = {};                            // goes on at position(), before it was moved on
        std::optional<LogLineChange> change = {};  // what comes next is on the new timeline
        std::optional<Keepalive> keepalive = {};
    };
    // nullopt when nothing comes before `deadline`. An error with `gap` set, as above.
    Result<std::optional<Event>> next(Deadline deadline);
    // Tells the server what has arrived and what of it is durable.
    Status report(Lsn kept, Reply reply);
    // Ends the stream; the connection is usable again.
    Status finish();

    // The end of what has come.
    [[nodiscard]] const LogPoint& position() const { return position_; }
    // What the server had flushed when it last sent WAL, and its clock then.
    [[nodiscard]] Lsn server_end() const { return server_end_; }
    [[nodiscard]] CommitTime server_time() const { return server_time_; }
    [[nodiscard]] const std::vector<LogBranch>& branches() const { return joint_.branches; }
    // Why WAL that was asked for cannot be had any more.
    [[nodiscard]] const std::optional<std::string>& gap() const { return gap_; }

  private:
    Status begin();
    Status explain(Error error);
    Status leave_copy();
    Result<std::optional<LogLineChange>> next_line();
    Result<std::optional<Event>> take(Bytes message);

    Connection& connection_;
    std::string slot_;
    LogJoint joint_;
    LogPoint position_;
    bool streaming_ = false;
    Lsn server_end_;
    CommitTime server_time_{};
    std::optional<std::string> gap_;
};

}  // namespace asb
