#include "engine/mongodb/swap_collections.hpp"

#include <array>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/restore_catalog.hpp"

namespace asb::mongodb {
namespace {

using Kind = SwapItem::Kind;
constexpr std::size_t kCopyBytes = 4 * kMiB;  // of one insert

// The order in which kinds are renamed: names must be free before they are taken.
constexpr std::array kRenameOrder = {Kind::view_aside, Kind::drop_series, Kind::aside,
                                     Kind::replace};

}  // namespace

Status CollectionSwap::look() {
    ASB_TRY(const auto present, list_collections(connection_, home_));
    there_.clear();
    for (const auto& collection : present) there_.emplace(collection.name, collection.is_view());
    return {};
}

Status CollectionSwap::rename(std::string_view point, const std::string& from,
                              const std::string& to) {
    if (const int error = fail_point(point))
        return fail(Code::failed, "cannot rename {} to {}: {}", printable(from), printable(to),
                    std::generic_category().message(error));
    ASB_CHECK(rename_collection(connection_, home_, from, to));
    there_.erase(from);
    there_.emplace(to, false);
    return {};
}

Status CollectionSwap::drop(const std::string& name) {
    if (const int error = fail_point("mongo.drop"))
        return fail(Code::failed, "cannot drop {}: {}", printable(name),
                    std::generic_category().message(error));
    ASB_CHECK(drop_collection(connection_, home_, name));
    there_.erase(name);
    return {};
}

Status CollectionSwap::rename_all() {
    ASB_CHECK(look());
    for (const auto kind : kRenameOrder)
        for (const auto& item : journal_.items)
            if (item.kind == kind) ASB_CHECK(rename_one(item));
    return {};
}

Status CollectionSwap::rename_one(const SwapItem& item) {
    switch (item.kind) {
        case Kind::view_aside:
            return put_view_aside(item);
        case Kind::drop_series:
            return present(item.name) ? drop(item.name) : Status();
        case Kind::aside:
            return present(item.name) && !present(item.before) ? move_aside(item) : Status();
        case Kind::replace:
            if (!present(item.staged)) return {};
            if (present(item.name)) ASB_CHECK(move_aside(item));
            return rename("mongo.rename_new", item.staged, item.name);
        default:
            return {};
    }
}

// A client that still writes may make the collection anew between two renames; what it wrote is
// moved aside too, under a name of its own.
Status CollectionSwap::move_aside(const SwapItem& item) {
    auto name = item.before;
    for (unsigned number = 2; present(name); ++number)
        name = derived_name(home_, item.name, fmt::format("__before_{}_{}", journal_.id, number));
    ASB_CHECK(rename("mongo.rename_old", item.name, name));
    if (!journal_.drop_old)
        kept_.push_back(fmt::format("{}.{} is now {}.{}", home_, item.name, home_, name));
    return {};
}

Status CollectionSwap::put_view_aside(const SwapItem& item) {
    const auto found = there_.find(item.name);
    if (found == there_.end() || !found->second) return {};
    if (!journal_.drop_old && !present(item.before)) {
        ASB_CHECK(create_collection(connection_, home_, item.before, view_of(item.definition)));
        there_.emplace(item.before, true);
        kept_.push_back(
            fmt::format("the view {}.{} is now {}.{}", home_, item.name, home_, item.before));
    }
    return drop(item.name);
}

Status CollectionSwap::undo() {
    ASB_CHECK(look());
    for (auto kind = kRenameOrder.rbegin(); kind != kRenameOrder.rend(); ++kind)
        for (const auto& item : journal_.items)
            if (item.kind == *kind) ASB_CHECK(undo_one(item));
    kept_.clear();
    journal_.swapping = false;
    return write_journal(connection_, home_, journal_);
}

Status CollectionSwap::undo_one(const SwapItem& item) {
    if (item.kind == Kind::view_aside) {
        if (present(item.name)) return {};
        ASB_CHECK(create_collection(connection_, home_, item.name, view_of(item.definition)));
        return present(item.before) ? drop(item.before) : Status();
    }
    if (item.kind == Kind::replace && present(item.name) && !present(item.staged))
        ASB_CHECK(rename("mongo.rename_back", item.name, item.staged));
    if (!item.before.empty() && present(item.before) && !present(item.name))
        return rename("mongo.rename_back", item.before, item.name);
    return {};
}

Status CollectionSwap::make_rest() {
    ASB_CHECK(look());
    for (const auto kind : {Kind::copy, Kind::make_view})
        for (const auto& item : journal_.items) {
            if (item.kind != kind) continue;
            const auto made = kind == Kind::copy ? make_copy(item) : make_view(item);
            if (made.ok()) continue;
            if (made.error().code == Code::interrupted || made.error().retryable)
                return made.error();
            keep_what_failed(item, made.error());
        }
    return {};
}

void CollectionSwap::keep_what_failed(const SwapItem& item, const Error& error) {
    std::string kept;
    if (!item.staged.empty()) {
        const auto name = derived_name(home_, item.name, "__unmade_" + journal_.id);
        if (drop(item.name).ok() && rename("mongo.rename_new", item.staged, name).ok())
            kept = fmt::format("; its documents are in {}.{}", home_, name);
    }
    incomplete_.push_back(fmt::format("{}.{} could not be made: {}{}", home_, printable(item.name),
                                      error.fact, kept));
}

// Filled only as far as it came when an earlier try died: then it is made anew.
Status CollectionSwap::make_copy(const SwapItem& item) {
    if (!present(item.staged)) return {};
    if (present(item.name)) ASB_CHECK(drop(item.name));
    if (const int error = fail_point("mongo.copy"))
        return fail(Code::failed, "cannot make {}: {}", printable(item.name),
                    std::generic_category().message(error));
    ASB_CHECK(create_collection(connection_, home_, item.name, view_of(item.definition)));
    there_.emplace(item.name, false);
    ASB_CHECK(fill_copy(item));
    ASB_TRY(const auto failed,
            build_indexes(connection_, {home_, item.name}, view_of(item.indexes)));
    for (const auto& line : failed) incomplete_.push_back(line);
    return drop(item.staged);
}

Status CollectionSwap::fill_copy(const SwapItem& item) {
    const Place to{home_, item.buckets ? std::string(kBucketsPrefix) + item.name : item.name};
    std::string batch;
    const auto flush = [&]() -> Status {
        if (batch.empty()) return {};
        // A time series takes no replacement of a measurement, and has none twice.
        ASB_TRY([[maybe_unused]] const auto doubled,
                insert_documents(connection_, to, batch, InsertOrder::kept));
        batch.clear();
        return {};
    };
    ASB_CHECK(find_documents(connection_, {home_, item.staged}, BsonWriter().finish(),
                             BsonWriter().finish(), [&](Bytes document) {
                                 batch.append(as_text(document));
                                 return batch.size() >= kCopyBytes ? flush() : Status();
                             }));
    return flush();
}

Status CollectionSwap::make_view(const SwapItem& item) {
    if (present(item.name)) return {};
    if (const int error = fail_point("mongo.view"))
        return fail(Code::failed, "cannot make the view {}: {}", printable(item.name),
                    std::generic_category().message(error));
    ASB_CHECK(create_collection(connection_, home_, item.name, view_of(item.definition)));
    there_.emplace(item.name, true);
    return {};
}

Status CollectionSwap::finish() {
    if (journal_.drop_old) {
        ASB_CHECK(look());
        const auto names = there_;
        const auto mark = "__before_" + journal_.id;
        for (const auto& [name, is_view] : names)
            if (name.find(mark) != std::string::npos) ASB_CHECK(drop(name));
    }
    return remove_journal(connection_, home_);
}

std::string staged_suffix(std::string_view id) {
    return fmt::format("__restore_{}", id);
}

Status drop_staged(MongoConnection& connection, const std::string& home, const std::string& id) {
    ASB_TRY(const auto present, list_collections(connection, home));
    for (const auto& collection : present)
        if (collection.name.ends_with(staged_suffix(id)))
            ASB_CHECK(drop_collection(connection, home, collection.name));
    return remove_journal(connection, home);
}

Status recover_database(MongoConnection& connection, const std::string& home, Log& log) {
    ASB_TRY(const auto journal, read_journal(connection, home));
    if (!journal) return {};
    if (is_running(*journal))
        return with_hint(
            fail(Code::busy, "another restore into {} is under way ({})", printable(home),
                 printable(journal->owner)),
            fmt::format("wait until it has ended; if that host died, drop the collection {} there",
                        kJournalCollection));
    if (!journal->swapping) {
        log.warning("{}: what a restore that died had staged is dropped", printable(home));
        return drop_staged(connection, home, journal->id);
    }
    log.warning("{}: the swap of a restore that died is finished first", printable(home));
    CollectionSwap swap(connection, home, *journal);
    ASB_CHECK(swap.rename_all());
    ASB_CHECK(swap.make_rest());
    for (const auto& line : swap.incomplete()) log.warning("{}", line);
    return swap.finish();
}

Result<std::vector<std::string>> build_indexes(MongoConnection& connection, const Place& place,
                                               BsonView indexes) {
    std::vector<std::string> failed;
    const auto build = [&](Bytes list) -> Status {
        const auto command = BsonWriter()
                                 .add_text("createIndexes", place.collection)
                                 .add_array("indexes", list)
                                 .finish();
        ASB_TRY([[maybe_unused]] const auto reply, run(connection, place.database, command));
        return {};
    };
    if (indexes.empty()) return failed;
    if (const int error = fail_point("mongo.index"))
        return fail(error == ENOSPC ? Code::space : Code::failed,
                    "cannot build indexes of {}.{}: {}", place.database,
                    printable(place.collection), std::generic_category().message(error));
    const auto all = build(indexes.bytes());
    if (all.ok()) return failed;
    if (all.error().code == Code::interrupted || all.error().retryable) return all.error();
    for (const auto& index : indexes) {
        const auto one = build(as_bytes(BsonWriter().add_document("0", index.value).finish()));
        if (one.ok()) continue;
        if (one.error().code == Code::interrupted) return one.error();
        failed.push_back(fmt::format("index {} of {}.{}: {}",
                                     printable(view_of(index).text("name")), place.database,
                                     printable(place.collection), one.error().fact));
    }
    return failed;
}

}  // namespace asb::mongodb
