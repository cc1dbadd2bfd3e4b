#pragma once
// Why this exists: what was written between the last backup and a full one would be in neither, and
// no recovery could reach it or get over it. A full backup therefore copies it first, as far as the
// server's oplog demonstrably goes on from where the repository's log ends.

#include <string>

#include "base/log.hpp"
#include "base/progress.hpp"
#include "codec/tar.hpp"
#include "engine/log.hpp"
#include "engine/mongodb/client.hpp"
#include "engine/mongodb/oplog_ledger.hpp"
#include "engine/mongodb/oplog_parts.hpp"

namespace asb {

// Copies the oplog after a tail into mongodb/oplog-before.bson, or its parts. Where it does not go
// on, that is no error: `reaches` says so, the log says why, and of what was read already no more
// than whole parts are in the archive. One thread, the connection's; borrows all but `database`.
class OplogBefore {
  public:
    // `database`: the scope; empty: the deployment.
    OplogBefore(MongoConnection& connection, const LogTail& tail, std::string database,
                EntrySink& sink, Progress& progress, Log& log);

    // The entries up to `end`, and those that belong to the last one of them; goes on from the call
    // before. An error is one of `sink`, or `interrupted`.
    Status copy_to(const OpTime& end);
    // The rest. Without any entry of the scope nothing is written.
    Status finish();

    // Whether every entry from the tail to `optime` was read.
    [[nodiscard]] bool reaches(const OpTime& optime) const;
    // Of what was read: nothing, once it did not go on.
    [[nodiscard]] OplogLedger ledger() const { return broken_ ? OplogLedger() : ledger_; }
    [[nodiscard]] OpTime start() const { return start_; }
    [[nodiscard]] std::uint64_t entries() const { return parts_.entries(); }
    [[nodiscard]] std::uint64_t bytes() const { return parts_.bytes(); }

  private:
    Status give_up(const Error& why);

    MongoConnection& connection_;
    std::string written_by_;  // the backup that ends at the tail
    std::string database_;
    Log& log_;
    OplogParts parts_;
    OplogLedger ledger_;
    OpTime start_;
    bool broken_ = false;
};

}  // namespace asb
