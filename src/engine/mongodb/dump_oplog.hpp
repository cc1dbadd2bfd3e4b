#pragma once
// Why this exists: the copy of a busy database is a blur; the oplog from before its first read to
// after its last makes it the database at one position. This finds the ends of that slice, proves
// that nothing is missing in it, and puts it into the archive.

#include <chrono>
#include <optional>

#include "base/progress.hpp"
#include "codec/tar.hpp"
#include "engine/mongodb/client.hpp"
#include "engine/mongodb/oplog_ledger.hpp"

namespace asb {

// Where a slice begins, and what proves that the server still has the same history there.
struct OplogStart {
    OpTime optime;
    std::int64_t term = -1;  // -1: not known
    // Every read sees the effect of this very entry, so it stands in the slice as a proof only.
    bool in_every_read = true;
};

// Before the first read: the first entry of the oldest open transaction, else the newest write that
// no rollback can undo. Asks no more of the server than its own state: on a server that cannot seek
// in its oplog every question to it is a scan.
Result<OplogStart> find_oplog_start(MongoConnection& connection);

// Whether this user may read the oplog; reads none of it.
Status check_oplog_readable(MongoConnection& connection);

// How long an incremental backup may be in coming.
struct OplogReach {
    std::chrono::seconds now{};  // from the oldest entry to the newest
    // What it will be once the oplog is full, at the rate at which it grew until now; absent where
    // the server does not tell its size.
    std::optional<std::chrono::seconds> full;
};
Result<OplogReach> oplog_reach(MongoConnection& connection);
// `bytes` of at most `bytes_max` were written in `now`; 0: not known.
OplogReach reach_of(std::chrono::seconds now, std::int64_t bytes, std::int64_t bytes_max);

struct OplogSlice {
    OpTime start;  // the first entry of the slice, at or before where the copy began
    OpTime end;    // the last: the position that a restore reaches
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    OplogTail tail;          // for what goes on from here
    CommitTime newest_wall;  // of all its entries
    LogTimes times;
    // Whether it could be replayed on the state before it, too, and not only on the copy.
    bool goes_on = true;
};
// After the last read: pushes every entry that belongs to `database` (empty: all), from one that
// was there before the first read to the newest that no rollback can undo, never cut between
// entries of one position. `database` for an oplog that rolled over, a rollback, or a change that a
// restore could not replay, each by name.
//
// `before`: what of the oplog is in the archive already, up to somewhere after the slice's start;
// tail and times are then those of both.
Result<OplogSlice> copy_oplog(MongoConnection& connection, const OplogStart& start,
                              const OplogLedger& before, const std::string& database,
                              EntrySink& sink, Progress& progress);

}  // namespace asb
