#pragma once
// Why this exists: the copy of a busy database is a blur; the oplog from before its first read to
// after its last makes it the database at one position. This finds the ends of that slice, proves
// that nothing is missing in it, and puts it into the archive.

#include "base/progress.hpp"
#include "codec/tar.hpp"
#include "engine/mongodb/client.hpp"

namespace asb {

// Where a slice begins, and what proves that the server still has the same history there.
struct OplogStart {
    OpTime optime;
    std::int64_t term = -1;  // -1: the entries of this server carry none
    // Every read sees this very entry's effect, so it stands in the slice as a proof only.
    bool in_every_read = true;
};

// Before the first read: the oldest open transaction's first entry, else the newest entry that no
// rollback can undo. `database` when there is no entry.
Result<OplogStart> find_oplog_start(MongoConnection& connection);

// After the last read: the newest entry that no rollback can undo.
Result<OpTime> find_oplog_end(MongoConnection& connection);

// `database` when the oplog's oldest entry is newer than the start: it rolled over.
Status check_oplog_reaches(MongoConnection& connection, const OplogStart& start);

// From the oplog's oldest entry to its newest.
Result<std::chrono::seconds> oplog_window(MongoConnection& connection);

struct OplogSlice {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
};
// Pushes every entry of [start, end] that belongs to `database` (empty: all). `database` for a
// gap, a rollback or a change that a restore could not replay, each by name.
Result<OplogSlice> copy_oplog(MongoConnection& connection, const OplogStart& start,
                              const OpTime& end, const std::string& database, EntrySink& sink,
                              Progress& progress);

}  // namespace asb
