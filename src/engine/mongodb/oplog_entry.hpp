#pragma once
// Why this exists: an oplog entry taken apart once, and transactions put together again, so that
// the replay sees a plain row of operations that did happen.

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/log.hpp"
#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {

// A BSON timestamp in one number: orders as the server orders positions.
using Position = std::uint64_t;
std::string position_text(Position position);  // "1795379725:3"

// One entry, or one operation within a transaction; views into the document it was parsed from.
struct OplogEntry {
    char kind = 'n';  // i, u, d, c, n; 'x' for those that a replay ignores (km, ci, cu, cd)
    Position ts = 0;
    CommitTime wall{};            // of the server's clock; where it tells none, the second of ts
    std::string_view database;    // of ns
    std::string_view collection;  // of ns; "$cmd" for commands
    std::string_view uuid;        // ui: 16 bytes, or empty
    BsonView o;
    BsonView o2;
    // The transaction's key (lsid and txnNumber), empty when the entry is in none. Entries of the
    // compatible servers have one too, but each is committed by itself.
    std::string transaction;
    bool in_chain = false;  // prevOpTime is there and not empty
    bool vectored = false;  // multiOpType 1: a retryable insert of many, no transaction

    [[nodiscard]] std::string name_space() const;
    // The first field of `o`: a command's name; empty when there is none.
    [[nodiscard]] std::string_view command() const;
};

// `damaged` when it is no oplog entry; `database` for a kind of operation that is not known.
// `inner`: an operation of an applyOps, which has no ts of its own.
Result<OplogEntry> parse_oplog_entry(BsonView document);
Result<OplogEntry> parse_inner_operation(BsonView document, Position ts);

// Entries in, operations of committed transactions and of none out, in commit order
// (mongo/src/mongo/db/repl/README.md, "Transactions"):
//  - applyOps outside a transaction, and nested: its operations, at once;
//  - a transaction in one applyOps, or chained by prevOpTime with partialTxn: at the last one;
//  - prepared (prepare: true): at commitTransaction, or dropped at abortTransaction;
//  - what is still open at the end never happened.
// Memory: the operations of open transactions, kTransactionBytesMax in all.
// Not thread-safe.
class TransactionAssembler {
  public:
    using Take = std::function<Status(const OplogEntry&)>;
    // Transactions of more are refused: the server ends one after 60 s by default
    // (transactionLifetimeLimitSeconds), which does not write as much.
    static constexpr std::uint64_t kTransactionBytesMax = 256 * kMiB;

    explicit TransactionAssembler(Take take) : take_(std::move(take)) {}
    // `entry` needs to live for the call only.
    Status take(const OplogEntry& entry);
    // How many transactions were neither committed nor aborted.
    [[nodiscard]] std::size_t open_transactions() const { return open_.size(); }

  private:
    Status apply_ops(const OplogEntry& entry);
    Status hold(const OplogEntry& entry, BsonView operations);
    Status commit(const OplogEntry& entry);
    void drop(const std::string& transaction);
    Status pass(BsonView operations, Position ts, unsigned depth);

    Take take_;
    std::map<std::string, std::deque<std::string>> open_;  // the applyOps arrays, in order
    std::uint64_t held_bytes_ = 0;
};

}  // namespace asb::mongodb
