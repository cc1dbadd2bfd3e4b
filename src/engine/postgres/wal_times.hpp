#pragma once
// Why this exists: to find the record at which a recovery to an instant must stop, nobody should
// have to read all WAL again. While WAL passes, a row a segment says which commits it holds; the
// rows are kept beside the WAL as the archive's entry postgresql/wal-ranges/times.<timeline>.

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/postgres/wal_reader.hpp"

namespace asb {

// The commits whose records begin in one segment.
struct WalSegmentTimes {
    Lsn segment;       // where it begins
    Lsn first_commit;  // where the record of the first one begins
    std::uint64_t commits = 0;
    // Times do not always ascend in the order of the log.
    CommitTime earliest{};
    CommitTime latest{};
    friend bool operator==(const WalSegmentTimes&, const WalSegmentTimes&) = default;
};

// A named place (pg_create_restore_point). A name may be there more than once.
struct WalRestorePoint {
    std::string name;  // bytes as the database's encoding has them
    CommitTime time{};
    Lsn start;
    Lsn end;
    friend bool operator==(const WalRestorePoint&, const WalRestorePoint&) = default;
};

// Of so many restore points, the last ones, the names are kept: a server that makes one a minute
// fills 16 hours. The rest are only counted.
inline constexpr std::size_t kRestorePointsMax = 1000;

// What is known of a stretch of WAL.
struct WalTimes {
    std::uint64_t segment_bytes = 0;
    std::vector<WalSegmentTimes> rows = {};  // ascending; a segment without commits has none
    std::deque<WalRestorePoint> restore_points = {};  // ascending, at most kRestorePointsMax
    std::uint64_t restore_points_dropped = 0;         // that came before these
    friend bool operator==(const WalTimes&, const WalTimes&) = default;

    // covered_until is left to the caller, who knows how far the log was asked for.
    [[nodiscard]] LogTimes totals() const;
};

// Collects them from a reader. Memory: 40 bytes a segment with commits, and the restore points.
class WalTimesCollector final : public WalVisitor {
  public:
    explicit WalTimesCollector(std::uint64_t segment_bytes) {
        times_.segment_bytes = segment_bytes;
    }
    void on_record(const WalRecord& record) override;
    [[nodiscard]] const WalTimes& times() const { return times_; }
    // Where the last record ends that says that the server wrote WAL of level minimal.
    [[nodiscard]] std::optional<Lsn> minimal_until() const { return minimal_until_; }
    // What was collected since the last call.
    WalTimes take() {
        return std::exchange(times_, WalTimes{.segment_bytes = times_.segment_bytes});
    }

  private:
    void take_commit(const WalRecord& record);
    void take_restore_point(const WalRecord& record);
    WalTimes times_;
    std::optional<Lsn> minimal_until_;
};

// As the entry holds them; every line ends with a newline, places are 16 hex digits, times decimal
// microseconds since 1970, names hex:
//
//   wal-times 1 segment_bytes=16777216 restore_points_dropped=0
//   segment 0000000002000000 first=0000000002000028 commits=12 earliest=... latest=...
//   restore_point 0000000002000060 end=00000000020000C8 time=... name=6265666f7265
std::string to_text(const WalTimes& times);
// The inverse; `damaged` with the line's number for anything else.
Result<WalTimes> parse_wal_times(std::string_view text);

}  // namespace asb
