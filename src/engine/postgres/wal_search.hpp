#pragma once
// Why this exists: a recovery is told to stop at a record, so that it never depends on a server's
// reading of a time or a name; and its report names the last transaction that is in and the first
// one left out. This finds them in a stretch of WAL.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/postgres/wal_times.hpp"

namespace asb {

struct WalCommit {
    Lsn start;
    Lsn end;
    CommitTime time{};
    friend bool operator==(const WalCommit&, const WalCommit&) = default;
};

// What is looked for.
// A time: everything before the first commit, in the order of the log, that is later. A commit that
// stands behind that one is left out although its own time may not be later.
// A position: every record that ends there or before it.
// The name of a restore point: the first one of that name, at which PostgreSQL stops as well.
using WalTarget = std::variant<CommitTime, Lsn, std::string>;

struct WalFound {
    // The last commit that is in, and the first one that is not; nullopt: none in what was fed.
    std::optional<WalCommit> last_in;
    std::optional<WalCommit> first_out;
    // For a position: where the first record begins that ends after it, so that stopping before
    // that one brings back exactly what ended there or before.
    std::optional<Lsn> first_record_out;
    // For a position: where the first record begins that begins there or later. It is another one
    // only when the position lies within a record.
    std::optional<Lsn> next_record;
    // For a name: all that have it, at most kRestorePointsMax, the first ones.
    std::vector<WalRestorePoint> restore_points;
};

// Fed by a WalReader, one stretch after another. One thread at a time.
class WalSearch final : public WalVisitor {
  public:
    explicit WalSearch(WalTarget target) : target_(std::move(target)) {}
    void on_record(const WalRecord& record) override;
    // More WAL changes nothing. Never for a name: it may be there again.
    [[nodiscard]] bool done() const;
    [[nodiscard]] const WalFound& found() const { return found_; }

  private:
    [[nodiscard]] bool is_in(const WalRecord& commit) const;
    void take_place(const WalRecord& record, Lsn position);
    void take_commit(const WalRecord& record);
    void take_restore_point(const WalRecord& record);

    WalTarget target_;
    WalFound found_;
};

}  // namespace asb
