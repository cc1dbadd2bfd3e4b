#pragma once
// Why this exists: an incremental backup and a stream are worth something only if nothing is
// missing between them and what they go on from. This reads on from a position and proves first
// that the server still has, byte for byte, what was kept up to there.

#include <memory>
#include <optional>
#include <string>

#include "engine/mongodb/client.hpp"
#include "engine/mongodb/dump_cursor.hpp"
#include "engine/mongodb/oplog_ledger.hpp"
#include "engine/mongodb/oplog_mark.hpp"

namespace asb {

// The tail of `identity` in `tails`, or why there is none, for people.
struct TailChoice {
    const LogTail* tail = nullptr;  // borrowed from `tails`
    std::string gap;
};
TailChoice choose_tail(const std::vector<LogTail>& tails, const std::string& identity);

// One question to the server. One thread, the connection's, which outlives it.
class OplogContinuation {
  public:
    struct Entry {
        Bytes bytes;  // valid until the next call
        EntryMark mark;
    };
    // `end`: what OplogEnd said; entries up to there come, and those that belong to the last one.
    OplogContinuation(MongoConnection& connection, OplogTail tail, OpTime end);

    // Asks, and proves that the tail's entries are what they were. `database` when they are not;
    // then `gap` says why, unless the connection is what failed.
    Status prove();
    // The next entry after the tail; nullopt after the last one. Proves first.
    Result<std::optional<Entry>> next();
    // Why nothing can go on from the tail; nullopt after success and after a lost connection.
    [[nodiscard]] const std::optional<std::string>& gap() const { return gap_; }

  private:
    Error cannot_go_on(std::string why);
    Error tail_is_gone();
    Status compare(const std::string& found, std::int64_t term);
    Result<std::optional<Entry>> read();
    [[nodiscard]] Status check_end() const;

    MongoConnection& connection_;
    OplogTail tail_;
    OpTime end_;
    std::unique_ptr<DumpCursor> cursor_;
    std::optional<Entry> first_;  // read while the tail was proved
    std::optional<EntryMark> last_;
    std::optional<std::string> gap_;
    bool proved_ = false;
};

}  // namespace asb
