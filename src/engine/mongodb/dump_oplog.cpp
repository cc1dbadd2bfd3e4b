#include "engine/mongodb/dump_oplog.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "engine/mongodb/dump_cursor.hpp"
#include "engine/mongodb/dump_oplog_rules.hpp"
#include "engine/mongodb/dump_part.hpp"
#include "engine/mongodb/layout.hpp"

namespace asb {
namespace {

constexpr const char* kOplogCollection = "oplog.rs";
constexpr std::int32_t kOplogBatch = 10'000;
// How far before the newest write the newest entry is looked for: an idle mongod writes a no-op
// every 10 s. The whole oplog is the last resort, since it is read from its beginning.
constexpr std::array<std::uint32_t, 3> kWindowSeconds = {15, 600,
                                                         std::numeric_limits<std::uint32_t>::max()};

BsonBuilder oplog_query(const OpTime& from, const OpTime& to) {
    BsonBuilder range;
    range.optime("$gte", from).optime("$lte", to);
    BsonBuilder command;
    command.text("find", kOplogCollection)
        .document("filter", BsonBuilder().document("ts", range.get()).get());
    return command;
}

Bson with_majority(BsonBuilder command) {
    command.document("readConcern", BsonBuilder().text("level", "majority").get());
    return command.take();
}

struct EntryMark {
    OpTime optime;
    std::int64_t term = -1;
};

Result<EntryMark> mark_of(Bytes bytes) {
    bson_t entry;
    if (!bson_init_static(&entry, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                          bytes.size()))
        return fail(Code::damaged, "an oplog entry's frame is broken");
    const auto optime = optime_at(entry, "ts");
    if (!optime) return fail(Code::damaged, "an oplog entry holds no ts");
    return EntryMark{*optime, number_at(entry, "t").value_or(-1)};
}

// The first document of the answer, as a mark; nullopt when there is none.
Result<std::optional<EntryMark>> first_mark(MongoConnection& connection, Bson command) {
    DumpCursor cursor(connection, "local", kOplogCollection, std::move(command), 1);
    ASB_TRY(const auto bytes, cursor.next());
    if (!bytes) return std::optional<EntryMark>();
    ASB_TRY(const EntryMark mark, mark_of(*bytes));
    return std::optional(mark);
}

// The newest entry at or before the newest write that no rollback can undo. Sorted by ts: the
// natural order backwards is not to be trusted on every server.
Result<EntryMark> newest_entry(MongoConnection& connection) {
    ASB_TRY(const MongoFacts facts, connection.facts());
    const OpTime newest = facts.majority_optime;
    for (const std::uint32_t window : kWindowSeconds) {
        const OpTime from{newest.seconds > window ? newest.seconds - window : 0, 0};
        BsonBuilder command = oplog_query(from, newest);
        command.document("sort", BsonBuilder().number("ts", -1).get()).number("limit", 1);
        ASB_TRY(const auto mark, first_mark(connection, with_majority(std::move(command))));
        if (mark) return *mark;
    }
    return with_hint(fail(Code::database, "the oplog of {} is empty", connection.url().address()),
                     "run rs.initiate() on the server if it never was a replica set");
}

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
    DumpCursor cursor(connection, "config", "transactions", command.take(), 1);
    ASB_TRY(const auto bytes, cursor.next());
    if (!bytes) return std::optional<EntryMark>();
    bson_t row;
    const bool framed =
        bson_init_static(&row, reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size());
    const auto optime = framed ? optime_at(row, "startOpTime.ts") : std::nullopt;
    if (!optime)
        return fail(Code::damaged, "an open transaction in config.transactions has no startOpTime");
    return std::optional(EntryMark{*optime, number_at(row, "startOpTime.t").value_or(-1)});
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

class SliceCopy {
  public:
    SliceCopy(const OplogStart& start, const std::string& database, EntrySink& sink,
              Progress& progress)
        : start_(start),
          database_(database),
          names_([](std::optional<std::uint32_t> part) { return oplog_entry(part); }),
          collector_(names_, [&sink, &progress](const DumpPart& part) -> Status {
              ASB_CHECK(push_entry(sink, part.entry, part.bytes.view()));
              progress.add(part.bytes.size());
              return {};
          }) {}

    Status take(Bytes bytes);
    Result<OplogSlice> finish(const OpTime& end);

  private:
    const OplogStart& start_;
    const std::string& database_;
    PartNames names_;
    PartCollector collector_;
    std::optional<EntryMark> last_;
};

Status SliceCopy::take(Bytes bytes) {
    ASB_TRY(const EntryMark mark, mark_of(bytes));
    // The overlap proof: the very entry that was the newest before the first read.
    if (!last_ && mark.optime > start_.optime) return rolled_over(start_);
    if (!last_ && mark.term != start_.term && mark.term != -1 && start_.term != -1)
        return rolled_back("entry", start_.optime);
    if (last_ && mark.optime < last_->optime)
        return fail(Code::database, "the server gave oplog entry {} after {}", to_text(mark.optime),
                    to_text(last_->optime));
    last_ = mark;
    bson_t entry;
    if (!bson_init_static(&entry, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                          bytes.size()))
        return fail(Code::damaged, "an oplog entry's frame is broken");
    if (const auto fits = check_oplog_entry(entry, database_); !fits.ok()) {
        // Done before the first read, and not to be done again by a restore.
        if (mark.optime == start_.optime && start_.in_every_read) return {};
        return fits.error();
    }
    const FittedEntry fitted = fit_oplog_entry(entry, database_);
    if (fitted.fit == EntryFit::drop) return {};
    if (fitted.fit == EntryFit::keep) return collector_.add(bytes);
    return collector_.add({reinterpret_cast<const std::byte*>(bson_get_data(fitted.changed.get())),
                           fitted.changed->len});
}

Result<OplogSlice> SliceCopy::finish(const OpTime& end) {
    if (!last_) return rolled_over(start_);
    if (last_->optime != end) return rolled_back("the last entry", end);
    ASB_CHECK(collector_.finish());
    return OplogSlice{collector_.documents(), collector_.bytes()};
}

}  // namespace

Result<OplogStart> find_oplog_start(MongoConnection& connection) {
    // The newest entry first: a transaction that opens between the two questions is later than it.
    ASB_TRY(const EntryMark newest, newest_entry(connection));
    ASB_TRY(const auto open, oldest_transaction(connection));
    if (!open || open->optime >= newest.optime) return OplogStart{newest.optime, newest.term};
    return OplogStart{open->optime, open->term, false};
}

Result<OpTime> find_oplog_end(MongoConnection& connection) {
    ASB_TRY(const EntryMark newest, newest_entry(connection));
    return newest.optime;
}

Status check_oplog_reaches(MongoConnection& connection, const OplogStart& start) {
    // mongod stops at once at an entry that is too new, so this reads one entry at most.
    BsonBuilder command = oplog_query(OpTime{}, start.optime);
    command.number("limit", 1);
    ASB_TRY(const auto mark, first_mark(connection, with_majority(std::move(command))));
    if (!mark) return rolled_over(start);
    return {};
}

Result<std::chrono::seconds> oplog_window(MongoConnection& connection) {
    ASB_TRY(const EntryMark newest, newest_entry(connection));
    BsonBuilder command = oplog_query(OpTime{}, newest.optime);
    command.number("limit", 1);
    ASB_TRY(const auto oldest, first_mark(connection, with_majority(std::move(command))));
    const std::uint32_t from = oldest ? oldest->optime.seconds : newest.optime.seconds;
    return std::chrono::seconds(newest.optime.seconds - std::min(from, newest.optime.seconds));
}

Result<OplogSlice> copy_oplog(MongoConnection& connection, const OplogStart& start,
                              const OpTime& end, const std::string& database, EntrySink& sink,
                              Progress& progress) {
    BsonBuilder command = oplog_query(start.optime, end);
    command.number("batchSize", kOplogBatch).flag("noCursorTimeout", true);
    DumpCursor cursor(connection, "local", kOplogCollection, with_majority(std::move(command)),
                      kOplogBatch);
    SliceCopy slice(start, database, sink, progress);
    for (;;) {
        ASB_TRY(const auto bytes, cursor.next());
        if (!bytes) return slice.finish(end);
        ASB_CHECK(slice.take(*bytes));
    }
}

}  // namespace asb
