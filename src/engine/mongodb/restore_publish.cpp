// The second half of a restore (restore_session.hpp): everything has arrived and is proved; now the
// oplog's end, the indexes, and the swap.

#include <algorithm>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/mongodb/restore_session.hpp"
#include "engine/mongodb/restore_users.hpp"

namespace asb::mongodb {
namespace {

std::string index_list(const StagedCollection& collection) {
    BsonWriter list;
    for (const auto& index : collection.indexes)
        list.add_document(std::to_string(list.count()), as_bytes(index));
    return list.finish();
}

// A time series cannot be renamed; and where renaming loses options, whatever has some is made
// under its own name.
bool is_copied(const StagedCollection& collection, bool keep_options) {
    if (collection.kind == StagedCollection::Kind::time_series) return true;
    return !keep_options && !view_of(collection.options).empty();
}

// A server tells the spans that follow from a granularity, but some take only one of the two.
std::string creatable_options(const StagedCollection& collection) {
    BsonWriter options;
    for (const auto& field : view_of(collection.options)) {
        const bool spelled_out = field.key == "timeseries" && field.is(BsonType::document) &&
                                 view_of(field).find("granularity");
        if (!spelled_out) {
            options.add(field);
            continue;
        }
        BsonWriter series;
        for (const auto& part : view_of(field))
            if (!part.key.starts_with("bucket")) series.add(part);
        options.add_document(field.key, as_bytes(series.finish()));
    }
    return options.finish();
}

}  // namespace

Status MongoRestoreSession::publish() {
    if (options_.has_oplog && !oplog_begun_)
        return with_hint(fail(Code::damaged, "the archive lacks its oplog"),
                         "restore another backup");
    if (!oplog_begun_) ASB_CHECK(check_counts());
    ASB_CHECK(check_reached());
    context_.progress.begin_stage("oplog and indexes", 0);
    ASB_CHECK(replay_.finish());
    if (slice_) ASB_CHECK(check_chosen());
    ASB_CHECK(build_all_indexes());
    ASB_CHECK(context_.stop.check());
    context_.progress.begin_stage("swap", 0);
    ASB_CHECK(swap_all());
    const auto merged = merge();
    if (merged.ok()) return {};
    return with_hint(
        merged.error().within(
            "every collection is in place, but users, roles and functions are not all merged"),
        "mend what the error names and restore again with --force");
}

Status MongoRestoreSession::build_all_indexes() {
    ASB_TRY(keep_options_, renames_keep_options());
    Mutex mutex;
    std::vector<std::string> failed;
    for (const auto& collection : catalog_.all()) {
        if (collection->staged.empty() || collection->indexes.empty() ||
            is_copied(*collection, keep_options_))
            continue;
        ASB_CHECK(
            workers_->submit([&, own = collection.get()](MongoConnection& connection) -> Status {
                const auto list = index_list(*own);
                ASB_TRY(const auto lines,
                        build_indexes(connection, {own->home, own->staged}, view_of(list)));
                const UniqueLock lock(mutex);
                failed.insert(failed.end(), lines.begin(), lines.end());
                return {};
            }));
    }
    ASB_CHECK(workers_->settle());
    incomplete_.insert(incomplete_.end(), failed.begin(), failed.end());
    return {};
}

// A compatible server forgets a collection's options when it is renamed: tried on a collection of
// our own.
Result<bool> MongoRestoreSession::renames_keep_options() {
    if (homes_.empty()) return true;
    const auto& home = *homes_.begin();
    const auto name = "asb_probe" + staged_suffix(catalog_.restore_id());
    const auto renamed = "asb_probe_2" + staged_suffix(catalog_.restore_id());
    const auto capped = BsonWriter().add_bool("capped", true).add_int32("size", 4096).finish();
    ASB_CHECK(drop_collection(connection_, home, renamed));
    ASB_CHECK(create_collection(connection_, home, name, view_of(capped)));
    ASB_CHECK(rename_collection(connection_, home, name, renamed));
    ASB_TRY(const auto present, list_collections(connection_, home));
    const auto found = std::ranges::find(present, renamed, &PresentCollection::name);
    const bool kept = found != present.end() && view_of(found->options).flag("capped");
    ASB_CHECK(drop_collection(connection_, home, renamed));
    return kept;
}

// What is there now and has to give way.
Status MongoRestoreSession::plan_old(const std::string& home, SwapJournal& journal) {
    ASB_TRY(const auto present, list_collections(connection_, home));
    const auto suffix = "__before_" + journal.id;
    const auto gives_way = [&](const PresentCollection& collection) {
        return collection.name != kJournalCollection && collection.name != "system.js" &&
               !collection.name.ends_with(staged_suffix(journal.id)) &&
               collection.name.find("__before_") == std::string::npos &&
               options_.scope.replaces(home, collection.name);
    };
    for (const auto& collection : present) {
        if (!gives_way(collection)) continue;
        SwapItem item{.kind = SwapItem::Kind::aside, .name = collection.name};
        item.before = derived_name(home, collection.name, suffix);
        if (collection.is_view()) {
            item.kind = SwapItem::Kind::view_aside;
            item.definition = collection.options;
        } else if (collection.type == "timeseries") {
            item.kind = SwapItem::Kind::drop_series;
        }
        journal.items.push_back(std::move(item));
    }
    return {};
}

void MongoRestoreSession::plan_new(const std::string& home, SwapJournal& journal) {
    for (const auto& collection : catalog_.all()) {
        if (collection->home != home || collection->kept) continue;
        SwapItem item{.kind = SwapItem::Kind::replace, .name = collection->name};
        item.staged = collection->staged;
        item.before = derived_name(home, collection->name, "__before_" + journal.id);
        if (collection->kind == StagedCollection::Kind::view) {
            item.kind = SwapItem::Kind::make_view;
            item.definition = collection->options;
        } else if (is_copied(*collection, keep_options_)) {
            item.kind = SwapItem::Kind::copy;
            item.definition = creatable_options(*collection);
            item.indexes = index_list(*collection);
            item.buckets = collection->buckets;
        }
        journal.items.push_back(std::move(item));
    }
}

Result<SwapJournal> MongoRestoreSession::plan_swap(const std::string& home) {
    SwapJournal journal;
    journal.id = catalog_.restore_id();
    journal.owner = this_owner();
    journal.swapping = true;
    journal.drop_old = options_.drop_old;
    ASB_CHECK(plan_old(home, journal));
    plan_new(home, journal);
    return journal;
}

Status MongoRestoreSession::swap_all() {
    std::vector<CollectionSwap> swaps;
    std::vector<SwapJournal> journals;
    for (const auto& home : homes_) {
        ASB_TRY(auto journal, plan_swap(home));
        journals.push_back(journal);
        swaps.emplace_back(connection_, home, std::move(journal));
    }
    std::size_t number = 0;
    for (const auto& home : homes_) {
        const auto written = write_journal(connection_, home, journals[number++]);
        if (!written.ok()) return undo(swaps, written.error());
    }
    for (auto& swap : swaps)
        if (const auto renamed = swap.rename_all(); !renamed.ok())
            return undo(swaps, renamed.error());
    settled_ = true;  // from here on a later run can only finish it
    ignore_stop();
    for (auto& swap : swaps) {
        ASB_CHECK(swap.make_rest());
        incomplete_.insert(incomplete_.end(), swap.incomplete().begin(), swap.incomplete().end());
    }
    for (auto& swap : swaps) {
        ASB_CHECK(swap.finish());
        report_.insert(report_.end(), swap.kept().begin(), swap.kept().end());
    }
    if (!keep_options_ && !report_.empty())
        report_.emplace_back(
            "warning: this server forgets a collection's options when it is renamed: what was "
            "moved aside has its documents and indexes, but no validator, cap or collation");
    return {};
}

// A connection that a stop request does not end: half a swap is the worst of all states.
void MongoRestoreSession::ignore_stop() {
    auto fresh = MongoConnection::open(options_.url, StopToken());
    if (fresh.ok()) connection_ = std::move(*fresh);
}

// The first error is what the operator must know; a swap that cannot be taken back is finished by
// the next restore, since its journal stays.
Status MongoRestoreSession::undo(std::vector<CollectionSwap>& swaps, const Error& cause) {
    ignore_stop();
    for (auto swap = swaps.rbegin(); swap != swaps.rend(); ++swap)
        if (const auto undone = swap->undo(); !undone.ok()) {
            settled_ = true;
            return with_hint(
                cause.within("the swap is half done and cannot be taken back now"),
                "restore again: that finishes it first; the old data has __before_ in its names");
        }
    return cause;
}

Status MongoRestoreSession::merge() {
    ASB_TRY(const auto functions, merge_functions(connection_, catalog_));
    ASB_TRY(const auto merged, merge_users(connection_, catalog_, options_.scope));
    incomplete_.insert(incomplete_.end(), merged.incomplete.begin(), merged.incomplete.end());
    std::map<std::string, std::uint64_t> collections;
    for (const auto& collection : catalog_.all())
        if (!collection->kept) ++collections[collection->home];
    std::vector<std::string> lines;
    lines.reserve(collections.size() + 2);
    for (const auto& [home, count] : collections)
        lines.push_back(
            fmt::format("database {}: {} restored", home, counted(count, "collection")));
    if (replay_.last() != 0)
        lines.push_back(fmt::format(
            "as of {}, {} ({} of the oplog applied)", position_text(replay_.last()),
            to_iso8601_us(replay_.last_wall()), counted(replay_.applied(), "operation")));
    if (replay_.discarded_transactions() != 0)
        lines.push_back(fmt::format("left out: {} not committed by then",
                                    counted(replay_.discarded_transactions(), "transaction")));
    if (merged.users + merged.roles + functions != 0)
        lines.push_back(fmt::format("merged: {}, {}, {}", counted(merged.users, "user"),
                                    counted(merged.roles, "role"), counted(functions, "function")));
    if (collections.empty())
        lines.emplace_back(
            "warning: the backup holds no database (no collection of one), so none came back: its "
            "server was empty then; list shows the other backups, for --backup-file NAME");
    report_.insert(report_.begin(), lines.begin(), lines.end());
    return {};
}

}  // namespace asb::mongodb
