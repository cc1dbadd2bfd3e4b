#pragma once
// Why this exists: what an archive says of its stretch of the oplog (where it ends, what proves
// that the next one goes on from there, what it commits and when) is collected while the entries
// pass.

#include <map>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "engine/log.hpp"
#include "engine/mongodb/oplog_mark.hpp"

namespace asb {

// The last position that is kept, and what the server had there: LogFacts::tail.
struct OplogTail {
    OpTime optime;
    std::int64_t term = -1;
    std::string sha256;  // hex, of all entries at that position, as the server gave them
};
Json to_json(const OplogTail& tail);
// `damaged` for what no version of this program writes.
Result<OplogTail> parse_oplog_tail(const Json& json);
// Hex.
std::string digest_of_entries(Bytes entries);

// Not thread-safe. Memory: the entries at one position.
class OplogLedger {
  public:
    OplogLedger() = default;
    // Goes on from `tail`.
    explicit OplogLedger(const OplogTail& tail) : tail_(tail) {}

    // Every entry in order, as the server gave it.
    void read(Bytes entry, const EntryMark& mark);
    // The entry that was read last is in the archive (as it is, or what of it is in the scope).
    void keep(const EntryMark& mark);

    // Of nothing but the given tail, that one.
    [[nodiscard]] OplogTail tail() const;
    // `settled`: what ended by then (the server's clock) was read.
    [[nodiscard]] LogTimes times(CommitTime settled) const;
    // Where the last entry stands; 0: none was read.
    [[nodiscard]] std::uint64_t last_record() const;
    // The latest of all entries that were read.
    [[nodiscard]] CommitTime newest_wall() const { return newest_wall_; }
    // The first entry of the oldest transaction that none of the entries ended.
    [[nodiscard]] std::optional<OpTime> open_since() const;

  private:
    void follow_chain(const EntryMark& mark);

    OplogTail tail_;
    std::optional<EntryMark> last_;
    std::string at_last_;  // the entries at its position
    std::optional<EntryMark> last_commit_;
    std::uint64_t commits_ = 0;
    CommitTime newest_commit_{};
    CommitTime newest_wall_{};
    std::map<std::string, OpTime> open_;
};

}  // namespace asb
