#pragma once
// Why this exists: of the records in PostgreSQL's WAL a few tell what a recovery target can mean:
// ends of transactions with their times, restore points, changes of the timeline and of what is
// logged at all. A pure parser of one record, so that it can be fuzzed.
//
// Numbers: PostgreSQL's src/include/access/xlogrecord.h (record, its chain of headers),
// access/rmgrlist.h (RM_XLOG_ID 0, RM_XACT_ID 1), catalog/pg_control.h (kinds of RM_XLOG_ID),
// access/xact.h (kinds of RM_XACT_ID, times), access/xlog_internal.h (restore point, end of
// recovery, change of parameters); the same in majors 15 to 18 as far as they are used here.

#include <string_view>

#include "engine/log.hpp"
#include "engine/postgres/wal_page.hpp"

namespace asb {

inline constexpr std::size_t kWalRecordHeaderBytes = 24;
// The largest xl_tot_len that a server reads again: it allocates a record in one piece
// (MaxAllocSize of 15; 16 and later write at most 1,020 MiB).
inline constexpr std::uint32_t kWalRecordBytesMax = 0x3fffffff;
// So much of a record's beginning tells all that is wanted of it: the header (24 bytes), at most 33
// references to blocks of 27 bytes each, origin, top-level transaction and length of the main data
// (13), and 72 bytes of main data (a restore point) are 1,000.
inline constexpr std::size_t kWalRecordHeldBytes = 1024;

// Of a restore point's name in its record; a server writes at most 63, and a zero.
inline constexpr std::size_t kRestorePointNameBytes = 64;

// A record that is whole and whose CRC was right.
struct WalRecord {
    enum class Kind {
        other,
        commit,           // `time`
        commit_prepared,  // `time`
        abort,            // `time`; PostgreSQL stops at them as well
        abort_prepared,   // `time`
        restore_point,    // `time`, `name`
        timeline_change,  // `timeline`, `previous_timeline`: the first record after a promotion
        log_switch,       // the rest of the segment is unused
        minimal_level,    // from here on the WAL lacks what a copy needs (wal_level=minimal)
    };
    Kind kind = Kind::other;
    Lsn start;  // of the record itself: behind the page header when it begins a page
    Lsn end;    // EndRecPtr as PostgreSQL means it: aligned; after log_switch the next segment
    Lsn previous;
    std::uint32_t transaction = 0;
    std::uint32_t bytes = 0;  // xl_tot_len
    std::uint8_t resource_manager = 0;
    std::uint8_t info = 0;
    CommitTime time{};
    std::string_view name;  // borrowed: valid while the record is being told
    std::uint32_t timeline = 0;
    std::uint32_t previous_timeline = 0;

    [[nodiscard]] bool is_commit() const {
        return kind == Kind::commit || kind == Kind::commit_prepared;
    }
};

// Fills in kind and what belongs to it. `held` is the beginning of the record: all of it, or at
// least kWalRecordHeldBytes; `record` has the fields of the header. `damaged` when a record of a
// kind that matters is not built as PostgreSQL builds it.
Status decode_wal_record(Bytes held, WalRecord& record);

// Microseconds since 2000-01-01 UTC as a record has them; beyond what CommitTime can say (the year
// 294246), the nearest that it can.
[[nodiscard]] CommitTime from_postgres_time(std::int64_t microseconds);

}  // namespace asb
