#include "engine/mongodb/dump_oplog.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/mongodb/dump_cursor.hpp"
#include "engine/mongodb/dump_oplog_rules.hpp"
#include "engine/mongodb/oplog_parts.hpp"
#include "engine/mongodb/oplog_questions.hpp"

namespace asb {
namespace {

// How far back the second question for the first entry reaches.
constexpr std::uint32_t kNearSeconds = 15;
constexpr std::size_t kAttempts = 3;

// The first entry of the oldest transaction that has not ended; nullopt when none is open.
// readConcern local: what is open is not yet majority-committed.
Result<std::optional<EntryMark>> oldest_transaction(MongoConnection& connection) {
    BsonBuilder states;
    states.text("0", "prepared").text("1", "inProgress");
    BsonBuilder in;
    in.array("$in", states.get());
    BsonBuilder command;
    command.text("find", "transactions")
        .document("filter", BsonBuilder().document("state", in.get()).get())
        .document("sort", BsonBuilder().number("startOpTime", 1).get())
        .number("limit", 1)
        .document("readConcern", BsonBuilder().text("level", "local").get());
    DumpCursor cursor(connection, "config", "transactions", command.take());
    ASB_TRY(const auto bytes, cursor.next());
    if (!bytes) return std::optional<EntryMark>();
    bson_t row;
    const bool framed =
        bson_init_static(&row, reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size());
    const auto optime = framed ? optime_at(row, "startOpTime.ts") : std::nullopt;
    if (!optime)
        return fail(Code::damaged, "an open transaction in config.transactions has no startOpTime");
    EntryMark mark;
    mark.optime = *optime;
    mark.term = number_at(row, "startOpTime.t").value_or(-1);
    return std::optional(std::move(mark));
}

Error rolled_over(const OplogStart& start) {
    return with_hint(
        fail(Code::database,
             "the oplog rolled over during the backup: it no longer reaches back "
             "to {}",
             to_text(start.optime)),
        "enlarge the oplog: db.adminCommand({replSetResizeOplog: 1, size: <megabytes>}), or back "
        "up when fewer writes arrive");
}

Error rolled_back(std::string_view what, const OpTime& optime) {
    return with_hint(fail(Code::database,
                          "the replica set rolled back or changed its primary during the backup: "
                          "{} {} of the oplog is not what it was",
                          what, to_text(optime)),
                     "nothing was published; run the backup again");
}

// Takes the entries of one question one by one. What is not after the start is held until the next
// position comes, so that the slice begins with all entries of the newest position not after it.
class SliceCopy {
  public:
    SliceCopy(OplogStart start, const OplogLedger& before, const std::string& database,
              EntrySink& sink, Progress& progress)
        : start_(start),
          database_(database),
          parts_(database, sink, progress),
          ledger_(before),
          known_until_(before.last_record()) {}

    Status take(Bytes bytes, const EntryMark& mark);
    Result<OplogSlice> finish(CommitTime settled);
    [[nodiscard]] const std::optional<EntryMark>& last() const { return last_; }
    // Whether an entry from not after the start has come.
    [[nodiscard]] bool overlaps() const { return overlap_.has_value(); }

  private:
    void hold(Bytes bytes, const EntryMark& mark);
    Status release();
    Status judge(Bytes bytes, const EntryMark& mark);

    OplogStart start_;
    const std::string& database_;
    OplogParts parts_;
    OplogLedger ledger_;
    std::uint64_t known_until_;  // up to where ledger_ has read already
    bool goes_on_ = true;
    std::optional<EntryMark> last_;
    std::optional<EntryMark> overlap_;
    struct Held {
        EntryMark mark;
        std::vector<std::byte> bytes;
    };
    std::vector<Held> held_;  // the entries of overlap_
};

void SliceCopy::hold(Bytes bytes, const EntryMark& mark) {
    if (!overlap_ || (overlap_->optime != mark.optime && !mark.continues(*overlap_))) held_.clear();
    overlap_ = mark;
    held_.push_back({mark, {bytes.begin(), bytes.end()}});
}

Status SliceCopy::release() {
    for (const auto& entry : held_) ASB_CHECK(judge(entry.bytes, entry.mark));
    held_.clear();
    return {};
}

Status SliceCopy::take(Bytes bytes, const EntryMark& mark) {
    if (last_ && mark.optime < last_->optime)
        return fail(Code::database, "the server gave oplog entry {} after {}", to_text(mark.optime),
                    to_text(last_->optime));
    last_ = mark;
    if (mark.optime <= start_.optime) {
        hold(bytes, mark);
        return {};
    }
    if (!overlap_) return {};  // the question did not reach back far enough
    ASB_CHECK(release());
    return judge(bytes, mark);
}

Status SliceCopy::judge(Bytes bytes, const EntryMark& mark) {
    const bool is_known = point_of(mark.optime) <= known_until_;
    if (!is_known) ledger_.read(bytes, mark);
    if (const auto fits = check_oplog_entry(bytes, database_, OplogRule::within_copy); !fits.ok()) {
        // Done before the first read, and not to be done again by a restore.
        if (mark.optime <= start_.optime && start_.in_every_read) return {};
        return fits.error();
    }
    goes_on_ = goes_on_ && check_oplog_entry(bytes, database_, OplogRule::after_it).ok();
    ASB_TRY(const bool kept, parts_.add(bytes));
    if (kept && !is_known) ledger_.keep(mark);
    return {};
}

Result<OplogSlice> SliceCopy::finish(CommitTime settled) {
    ASB_ASSERT(last_ && overlap_);
    ASB_CHECK(release());
    ASB_CHECK(parts_.finish());
    return OplogSlice{.start = overlap_->optime,
                      .end = last_->optime,
                      .entries = parts_.entries(),
                      .bytes = parts_.bytes(),
                      .tail = ledger_.tail(),
                      .newest_wall = ledger_.newest_wall(),
                      .times = ledger_.times(settled),
                      .goes_on = goes_on_};
}

// One question for the entries from `from` on, up to `end` or to the end of the transaction that is
// written there. false when none of them is from not after the start, so that `from` must be
// earlier.
Result<bool> copy_from(MongoConnection& connection, const OpTime& from, const OpTime& end,
                       const OplogStart& start, SliceCopy& slice) {
    BsonBuilder command = oplog_query(from);
    command.flag("noCursorTimeout", true);
    DumpCursor cursor(connection, "local", kOplogCollection, with_majority(std::move(command)));
    for (bool first = true;; first = false) {
        ASB_TRY(const auto bytes, cursor.next());
        if (!bytes) return slice.overlaps();
        ASB_TRY(const EntryMark mark, read_mark(*bytes));
        if (mark.optime > end && !(slice.last() && mark.continues(*slice.last())))
            return slice.overlaps();
        // The transaction may have begun before.
        if (first && from == start.optime && !mark.transaction.empty()) return false;
        const bool other_term = mark.is_exact() && start.term != -1 && mark.term != start.term;
        if (first && mark.optime == start.optime && other_term)
            return rolled_back("entry", start.optime);
        if (!slice.overlaps() && mark.optime > start.optime) return false;
        ASB_CHECK(slice.take(*bytes, mark));
    }
}

OpTime near(const OpTime& optime) {
    return {optime.seconds - std::min(optime.seconds, kNearSeconds), 0};
}

// Where to ask from, the nearest first. A mongod has an entry at the very start; a server that
// counts on between writes has the last one shortly before it, or wherever it is.
Result<OpTime> ask_from(MongoConnection& connection, std::size_t attempt, const OplogStart& start) {
    if (attempt == 0) return start.optime;
    if (attempt == 1) return near(start.optime);
    ASB_TRY(const auto before, newest_entry(connection, start.optime));
    if (!before) return rolled_over(start);
    if (before->is_exact() && before->optime != start.optime)
        return rolled_back("entry", start.optime);
    if (before->is_exact()) return before->optime;
    return near(before->optime);
}

}  // namespace

Result<OplogStart> find_oplog_start(MongoConnection& connection) {
    // The newest write first: a transaction that opens between the two questions is later than it.
    ASB_TRY(const MongoFacts facts, connection.facts());
    if (!facts.majority_optime.is_set())
        return with_hint(fail(Code::database, "{} knows no write that a majority has",
                              connection.url().address()),
                         "wait until the replica set is initiated and has a primary");
    ASB_TRY(const auto open, oldest_transaction(connection));
    if (!open || open->optime >= facts.majority_optime)
        return OplogStart{facts.majority_optime, facts.majority_term};
    return OplogStart{open->optime, open->term, false};
}

Status check_oplog_readable(MongoConnection& connection) {
    BsonBuilder query;
    query.text("find", kOplogCollection).number("limit", 1);
    const auto explained = connection.run_command(
        "local",
        BsonBuilder().document("explain", query.get()).text("verbosity", "queryPlanner").get(),
        "local.oplog.rs", "find");
    if (!explained.ok()) return explained.error();
    return {};
}

OplogReach reach_of(std::chrono::seconds now, std::int64_t bytes, std::int64_t bytes_max) {
    if (bytes <= 0 || bytes_max <= 0 || now.count() == 0) return {.now = now, .full = {}};
    const double times = std::max(1.0, static_cast<double>(bytes_max) / static_cast<double>(bytes));
    const double seconds = static_cast<double>(now.count()) * times;
    return {.now = now, .full = std::chrono::seconds(static_cast<std::int64_t>(seconds))};
}

Result<OplogReach> oplog_reach(MongoConnection& connection) {
    ASB_TRY(const MongoFacts facts, connection.facts());
    const OpTime newest = facts.majority_optime;
    ASB_TRY(const auto oldest, oldest_entry(connection));
    const std::uint32_t from = oldest ? oldest->optime.seconds : newest.seconds;
    const std::chrono::seconds now(newest.seconds - std::min(from, newest.seconds));
    const auto stats = connection.run_command(
        kOplogDatabase, BsonBuilder().text("collStats", kOplogCollection).get());
    if (!stats.ok()) return reach_of(now, 0, 0);  // needs a role that a backup can do without
    return reach_of(now, number_at(**stats, "size").value_or(0),
                    number_at(**stats, "maxSize").value_or(0));
}

Result<OplogSlice> copy_oplog(MongoConnection& connection, const OplogStart& start,
                              const OplogLedger& before, const std::string& database,
                              EntrySink& sink, Progress& progress) {
    ASB_TRY(const OplogEnd asked, ask_oplog_end(connection));
    const OpTime end = asked.optime;
    for (std::size_t attempt = 0; attempt < kAttempts; ++attempt) {
        ASB_TRY(const OpTime from, ask_from(connection, attempt, start));
        SliceCopy slice(start, before, database, sink, progress);
        ASB_TRY(const bool whole, copy_from(connection, from, end, start, slice));
        if (!whole) continue;
        if (slice.last()->is_exact() && slice.last()->optime != end)
            return rolled_back("the last entry", end);
        if (point_of(slice.last()->optime) < before.last_record())
            return rolled_back("entry", optime_of(before.last_record()));
        return slice.finish(asked.settled);
    }
    return rolled_over(start);
}

}  // namespace asb
