#pragma once
// Why this exists: incremental backups and streams go on from what the repository holds. That a
// server's log does so is proved in the same way for both, before anything is taken.

#include "engine/engine.hpp"
#include "engine/postgres/wal_stream.hpp"

namespace asb {

// Where a server's log goes on, or why it does not.
struct WalContinuation {
    LogTail tail;
    LogJoint joint;
    std::string gap;  // empty: it does
    // With a gap: as LogJoint has it. What this server writes belongs to another log.
    bool other_history = false;
};

// Of the tails, that of `server`; its lines must be the server's, and the bytes before its end what
// they were. Reads only.
Result<WalContinuation> continue_wal(Connection& connection, const ServerIdentity& server,
                                     const std::vector<LogTail>& tails);

}  // namespace asb
