#include "engine/mongodb/oplog_replay.hpp"

#include "base/text.hpp"

namespace asb::mongodb {
namespace {

constexpr std::string_view kViews = "system.views";
constexpr const char* kTornHint =
    "restore another backup, and report this one: it should not have been possible to take it";

// A server that writes measurements, where the backup has buckets: which of them the buckets hold
// already cannot be told.
Error measurement(const OplogEntry& entry) {
    return with_hint(fail(Code::database,
                          "the time series {} was written to while its buckets "
                          "were backed up",
                          printable(entry.name_space())),
                     "restore another backup, or leave this collection out with --only");
}

Error about(const OplogEntry& entry, const Error& error) {
    return error.within(fmt::format("oplog entry {} on {}", position_text(entry.ts),
                                    printable(entry.name_space())));
}

}  // namespace

OplogReplay::OplogReplay(RestoreCatalog& catalog, StagedDocuments& documents,
                         StagedDefinitions& definitions, ReplayScope scope)
    : catalog_(catalog),
      definitions_(definitions),
      scope_(std::move(scope)),
      window_(documents),
      transactions_([this](const OplogEntry& entry) {
          const auto applied = apply(entry);
          return applied.ok() ? Status() : Status(about(entry, applied.error()));
      }) {}

Status OplogReplay::take(Bytes bytes) {
    ASB_TRY(const auto entry, parse_oplog_entry(BsonView(bytes)));
    if (limit_ != 0 && entry.ts >= limit_) return {};
    last_ = entry.ts;
    last_wall_ = entry.wall;
    return transactions_.take(entry);
}

Status OplogReplay::apply(const OplogEntry& entry) {
    switch (entry.kind) {
        case 'n':  // a note: an election, a heartbeat
        case 'x':  // what shards tell each other
            return {};
        case 'c':
            ++applied_;
            return command(entry);
        default:
            ++applied_;
            return change(entry);
    }
}

Status OplogReplay::change(const OplogEntry& entry) {
    if (entry.collection == kViews) return change_view(entry);
    const auto name = plain_name(entry.collection);
    auto* collection = find(entry.database, name, entry.uuid);
    if (collection != nullptr) {
        if (collection->buckets && name == entry.collection) return measurement(entry);
        return window_.take(*collection, entry);
    }
    if (!scope_.wanted(entry.database, name)) return {};
    if (catalog_.named(entry.database, name) != nullptr) {
        passed_over_.emplace(entry.uuid, entry.name_space());
        return {};
    }
    // Made by its first insert, where the server writes no create.
    StagedCollection made;
    made.database = entry.database;
    made.home = scope_.home(entry.database);
    made.name = name;
    made.buckets = name != entry.collection;
    made.uuid = entry.uuid;
    made.options = BsonWriter().finish();
    made.kept = scope_.kept(entry.database, name);
    collection = catalog_.add(std::move(made));
    if (!collection->kept) ASB_CHECK(definitions_.create(*collection));
    return window_.take(*collection, entry);
}

// mongod tells of a view as of a document of system.views: {_id: "db.view", viewOn, pipeline}.
Status OplogReplay::change_view(const OplogEntry& entry) {
    const auto name_space = (entry.kind == 'u' ? entry.o2 : entry.o).text("_id");
    const auto dot = name_space.find('.');
    if (dot == std::string_view::npos) return fail(Code::damaged, "a view without a name");
    const auto name = name_space.substr(dot + 1);
    auto* view = catalog_.named(entry.database, name);
    if (entry.kind == 'd') {
        if (view != nullptr && view->kind == StagedCollection::Kind::view) catalog_.remove(view);
        return {};
    }
    if (!entry.o.find("viewOn") || !scope_.wanted(entry.database, name)) return {};
    // The view over the buckets of a time series comes with the time series.
    if (entry.o.text("viewOn").starts_with("system.buckets.")) return {};
    BsonWriter options;
    for (const auto& field : entry.o)
        if (field.key != "_id") options.add(field);
    if (view != nullptr) {
        view->options = options.finish();
        return {};
    }
    StagedCollection made;
    made.database = entry.database;
    made.home = scope_.home(entry.database);
    made.name = name;
    made.kind = StagedCollection::Kind::view;
    made.options = options.finish();
    catalog_.add(std::move(made));
    return {};
}

StagedCollection* OplogReplay::find(std::string_view database, std::string_view name,
                                    std::string_view uuid) const {
    return exact_ ? catalog_.named(database, name) : catalog_.find(database, name, uuid);
}

Status OplogReplay::leave_copy() {
    if (exact_) return {};
    ASB_CHECK(finish());
    exact_ = true;
    window_.expect_new();
    return {};
}

Status OplogReplay::finish() {
    ASB_CHECK(window_.flush());
    const auto missing = window_.missing();
    if (missing.empty() && !passed_over_.empty())
        return with_hint(fail(Code::damaged,
                              "the backup is torn: its oplog writes to a collection {} that it "
                              "does not hold",
                              printable(passed_over_.begin()->second)),
                         kTornHint);
    if (missing.empty()) return {};
    return with_hint(
        fail(Code::damaged, "the backup is torn: its oplog updates {} that it does not hold: {}",
             counted(missing.size(), "document"), missing.front()),
        kTornHint);
}

}  // namespace asb::mongodb
