#include "engine/mongodb/oplog_continuation.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/oplog_questions.hpp"

namespace asb {

TailChoice choose_tail(const std::vector<LogTail>& tails, const std::string& identity) {
    const auto found = std::ranges::find(tails, identity, &LogTail::identity);
    if (found != tails.end()) return {&*found, {}};
    if (tails.empty())
        return {nullptr, "the repository holds no backup that an incremental one could go on from"};
    return {nullptr,
            fmt::format("the repository's backups are of another replica set or scope ({}), "
                        "and this is {}",
                        printable(tails.front().identity), printable(identity))};
}

OplogContinuation::OplogContinuation(MongoConnection& connection, OplogTail tail, OpTime end)
    : connection_(connection), tail_(std::move(tail)), end_(end) {}

Error OplogContinuation::cannot_go_on(std::string why) {
    gap_ = why;
    return with_hint(fail(Code::database, "{}", std::move(why)), "take a full backup");
}

// Which of the ways to lose it this is, the oldest entry tells.
Error OplogContinuation::tail_is_gone() {
    const auto oldest = oldest_entry(connection_);
    if (!oldest.ok()) return oldest.error();
    const std::string position = to_text(tail_.optime);
    if (!*oldest) return cannot_go_on("the server's oplog is empty");
    if ((*oldest)->optime > tail_.optime)
        return cannot_go_on(
            fmt::format("the oplog rolled over, or this is another server: its oldest entry is "
                        "{}, and the last one kept was {}",
                        to_text((*oldest)->optime), position));
    return cannot_go_on(
        fmt::format("the replica set rolled back, or this is another server: its oplog has no "
                    "entry {} any more",
                    position));
}

Status OplogContinuation::compare(const std::string& found, std::int64_t term) {
    const std::string position = to_text(tail_.optime);
    if (term != -1 && tail_.term != -1 && term != tail_.term)
        return cannot_go_on(
            fmt::format("the replica set rolled back: entry {} of its oplog is of "
                        "term {}, and was of term {}",
                        position, term, tail_.term));
    if (digest_of_entries(as_bytes(found)) == tail_.sha256) return {};
    return cannot_go_on(
        fmt::format("the replica set rolled back, or this is another server: entry {} of its oplog "
                    "is not what it was",
                    position));
}

Result<std::optional<OplogContinuation::Entry>> OplogContinuation::read() {
    ASB_TRY(const auto bytes, cursor_->next());
    if (!bytes) return std::optional<Entry>();
    ASB_TRY(EntryMark mark, read_mark(*bytes));
    return std::optional(Entry{*bytes, std::move(mark)});
}

Status OplogContinuation::prove() {
    if (proved_) return {};
    BsonBuilder command = oplog_query(tail_.optime);
    command.flag("noCursorTimeout", true);
    cursor_ = std::make_unique<DumpCursor>(connection_, kOplogDatabase, kOplogCollection,
                                           with_majority(std::move(command)));
    std::string found;
    std::int64_t term = -1;
    for (;;) {
        ASB_TRY(first_, read());
        if (!first_ || first_->mark.optime > tail_.optime) break;
        found.append(as_text(first_->bytes));
        term = first_->mark.term;
        last_ = first_->mark;
    }
    if (found.empty()) return tail_is_gone();
    ASB_CHECK(compare(found, term));
    proved_ = true;
    return {};
}

// On mongod the newest majority write has an entry; not to find it is to have read another history.
Status OplogContinuation::check_end() const {
    if (!last_->is_exact() || last_->optime >= end_) return {};
    return with_hint(fail(Code::database,
                          "the replica set rolled back or changed its primary while its oplog was "
                          "read: it ends at {}, not at {}",
                          to_text(last_->optime), to_text(end_)),
                     "nothing was published; run it again");
}

Result<std::optional<OplogContinuation::Entry>> OplogContinuation::next() {
    ASB_CHECK(prove());
    std::optional<Entry> entry;
    if (first_)
        entry.swap(first_);
    else if (cursor_ != nullptr) {
        ASB_TRY(entry, read());
    }
    if (entry && entry->mark.optime < last_->optime)
        return fail(Code::database, "the server gave oplog entry {} after {}",
                    to_text(entry->mark.optime), to_text(last_->optime));
    const bool beyond = entry && entry->mark.optime > end_ && !entry->mark.belongs_to(*last_);
    if (entry && !beyond) {
        last_ = entry->mark;
        return entry;
    }
    cursor_.reset();
    ASB_CHECK(check_end());
    return std::optional<Entry>();
}

}  // namespace asb
