// The commands of an oplog (oplog_replay.hpp): mongo/src/mongo/db/repl/oplog.cpp, kOpsMap, names
// those that a server itself applies.

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "engine/mongodb/oplog_replay.hpp"

namespace asb::mongodb {
namespace {

// Effects on documents or definitions that a restore builds anew: nothing is to be done.
constexpr std::array<std::string_view, 5> kIgnored = {
    "startIndexBuild", "abortIndexBuild", "setMultikeyMetadata", "dropIdent", "dbCheck"};

Error renamed_out_of_scope(const OplogEntry& entry, std::string_view from, std::string_view to) {
    return with_hint(fail(Code::database, "{}.{} was renamed to {}", printable(entry.database),
                          printable(from), printable(to)),
                     "name both with --only");
}

// "db.name" -> name, when it is of `database`.
std::optional<std::string_view> name_within(std::string_view database, std::string_view full) {
    if (full.size() <= database.size() + 1 || !full.starts_with(database) ||
        full[database.size()] != '.')
        return std::nullopt;
    return full.substr(database.size() + 1);
}

// Fields of a create entry that are no options.
bool is_create_noise(std::string_view field, bool of_buckets) {
    // The buckets of a time series have a validator and a clustered index that come with it.
    if (of_buckets && (field == "validator" || field == "clusteredIndex")) return true;
    return field == "create" || field == "idIndex" || field == "viewPipeline" ||
           field == "recordIdsReplicated" || field == "temp";
}

std::string create_options(BsonView create) {
    BsonWriter options;
    const bool of_buckets = create.find("timeseries").has_value();
    for (const auto& field : create)
        if (!is_create_noise(field.key, of_buckets)) options.add(field);
    // A compatible server tells a view's pipeline under this name.
    if (const auto pipeline = create.find("viewPipeline"); pipeline && !create.find("pipeline"))
        options.add("pipeline", pipeline->type, pipeline->value);
    return options.finish();
}

std::string_view bytes_of_uuid(const BsonElement& element) {
    if (!element.is(BsonType::binary) || element.value.size() != 5 + 16) return {};
    return as_text(element.value.subspan(5));
}

// `options` with the fields of `change` in place of its own.
std::string merged_options(BsonView options, BsonView change) {
    BsonWriter merged;
    for (const auto& field : options)
        if (!change.find(field.key)) merged.add(field);
    merged.add_all(change);
    return merged.finish();
}

}  // namespace

StagedCollection* OplogReplay::target(const OplogEntry& entry) const {
    const auto first = *entry.o.begin();
    return find(entry.database, plain_name(first.as_string().value_or(std::string_view())),
                entry.uuid);
}

Status OplogReplay::command(const OplogEntry& entry) {
    // What came before must be written before a definition changes, and nothing after it earlier.
    ASB_CHECK(window_.flush());
    const auto name = entry.command();
    if (name == "create") return create(entry);
    if (name == "drop") return drop(entry);
    if (name == "dropDatabase") return drop_database(entry);
    if (name == "renameCollection") return rename(entry);
    if (name == "createIndexes" || name == "commitIndexBuild") return create_indexes(entry);
    if (name == "dropIndexes" || name == "deleteIndexes" || name == "deleteIndex" ||
        name == "dropIndex")
        return drop_indexes(entry);
    if (name == "collMod") return modify(entry);
    if (name == "convertToCapped") return convert_to_capped(entry);
    if (name == "emptycapped") return empty(entry);
    if (std::ranges::find(kIgnored, name) != kIgnored.end()) return {};
    return with_hint(fail(Code::database,
                          "the oplog holds the command '{}', which cannot be "
                          "replayed",
                          printable(name)),
                     "restore another backup: one that was not running while this was done");
}

Status OplogReplay::create(const OplogEntry& entry) {
    const auto name = plain_name(entry.o.text("create"));
    if (name == "system.views" || name.empty() || !scope_.wanted(entry.database, name)) return {};
    if (find(entry.database, name, entry.uuid) != nullptr) return {};  // copied already
    // One of the same name but another UUID was made later than this one, which is gone by then.
    if (catalog_.named(entry.database, name) != nullptr) return {};
    StagedCollection made;
    made.database = entry.database;
    made.home = scope_.home(entry.database);
    made.name = name;
    made.uuid = entry.uuid;
    made.options = create_options(entry.o);
    made.buckets = name != entry.o.text("create");
    if (entry.o.find("viewOn")) made.kind = StagedCollection::Kind::view;
    if (entry.o.find("timeseries")) made.kind = StagedCollection::Kind::time_series;
    made.kept = scope_.kept(entry.database, name);
    const auto* collection = catalog_.add(std::move(made));
    if (collection->kept || collection->kind == StagedCollection::Kind::view) return {};
    return definitions_.create(*collection);
}

Status OplogReplay::discard(StagedCollection& collection) {
    window_.forget(collection);
    if (!collection.staged.empty()) ASB_CHECK(definitions_.drop(collection));
    catalog_.remove(&collection);
    return {};
}

Status OplogReplay::drop(const OplogEntry& entry) {
    auto* collection = target(entry);
    passed_over_.erase(std::string(entry.uuid));
    return collection != nullptr ? discard(*collection) : Status();
}

Status OplogReplay::drop_database(const OplogEntry& entry) {
    std::vector<StagedCollection*> gone;
    for (const auto& collection : catalog_.all())
        // A server drops the collections one by one first, each with its entry; those that are
        // still there with a UUID were made after this entry.
        if (collection->database == entry.database && !collection->kept &&
            (exact_ || collection->uuid.empty()))
            gone.push_back(collection.get());
    for (auto* collection : gone) ASB_CHECK(discard(*collection));
    std::erase_if(passed_over_, [&](const auto& item) {
        return item.second.starts_with(std::string(entry.database) + ".");
    });
    return {};
}

Status OplogReplay::drop_rename_target(const OplogEntry& entry, const StagedCollection* source,
                                       std::string_view name) {
    auto* there = catalog_.named(entry.database, name);
    if (there == nullptr || there == source) return {};
    const auto drop = entry.o.find("dropTarget");
    const auto dropped_uuid = drop ? bytes_of_uuid(*drop) : std::string_view();
    const bool names_another =
        !exact_ && !dropped_uuid.empty() && !there->uuid.empty() && there->uuid != dropped_uuid;
    if (drop && (drop->as_flag() || !dropped_uuid.empty()) && !names_another)
        return discard(*there);
    return {};
}

Status OplogReplay::rename(const OplogEntry& entry) {
    const auto from = name_within(entry.database, entry.o.text("renameCollection"));
    const auto to = name_within(entry.database, entry.o.text("to"));
    if (!from || !to)
        return with_hint(
            fail(Code::database, "the oplog renames {} to {}, which is another database",
                 printable(entry.o.text("renameCollection")), printable(entry.o.text("to"))),
            "restore another backup: one that was not running while this was done");
    passed_over_.erase(std::string(entry.uuid));
    auto* source = find(entry.database, *from, entry.uuid);
    if (source == nullptr) return rename_unknown(entry, *from, *to);
    if (source->name == *to) return {};  // copied under its new name
    ASB_CHECK(drop_rename_target(entry, source, *to));
    // Still there: the copy of it is newer than this rename, and what the slice made under the old
    // name is in it.
    if (catalog_.named(entry.database, *to) != nullptr) return discard(*source);
    if (!scope_.wanted(entry.database, *to)) return renamed_out_of_scope(entry, *from, *to);
    source->name = *to;
    source->uuid.clear();  // a compatible server gives it a new one: known by its name from now on
    return {};
}

// Not asked for; or, within a copy, dropped since.
Status OplogReplay::rename_unknown(const OplogEntry& entry, std::string_view from,
                                   std::string_view to) {
    if (!exact_ || !scope_.wanted(entry.database, to)) return {};
    if (!scope_.wanted(entry.database, from)) return renamed_out_of_scope(entry, from, to);
    return fail(Code::damaged, "the oplog renames {}.{}, which the backup does not hold",
                printable(entry.database), printable(from));
}

// Shapes: {createIndexes: coll, v, key, name, ...} (one index), {createIndexes: coll, indexes:
// [..]} and {commitIndexBuild: coll, indexBuildUUID, indexes: [..]}.
Status OplogReplay::create_indexes(const OplogEntry& entry) {
    auto* collection = target(entry);
    if (collection == nullptr) return {};
    if (collection->buckets)
        return with_hint(fail(Code::database,
                              "an index was made on the buckets of a time series, "
                              "{}, while it was backed up",
                              printable(collection->name_space())),
                         "restore another backup, or leave this collection out with --only");
    if (const auto list = entry.o.find("indexes"); list && list->is(BsonType::array)) {
        for (const auto& spec : view_of(*list))
            if (spec.is(BsonType::document)) set_index(*collection, view_of(spec));
        return {};
    }
    BsonWriter spec;
    for (const auto& field : entry.o)
        if (field.key != "createIndexes") spec.add(field);
    const auto document = spec.finish();
    if (view_of(document).find("key")) set_index(*collection, view_of(document));
    return {};
}

Status OplogReplay::drop_indexes(const OplogEntry& entry) {
    auto* collection = target(entry);
    const auto which = entry.o.find("index");
    if (collection != nullptr && which) drop_index(*collection, *which);
    return {};
}

Status OplogReplay::modify(const OplogEntry& entry) {
    auto* collection = target(entry);
    if (collection == nullptr) return {};
    BsonWriter fields;
    for (const auto& field : entry.o) {
        if (field.key == "index" && field.is(BsonType::document))
            modify_index(*collection, view_of(field));
        else if (field.key != "collMod")
            fields.add(field);
    }
    if (fields.count() == 0) return {};
    const auto change = fields.finish();
    if (!collection->staged.empty()) ASB_CHECK(definitions_.modify(*collection, view_of(change)));
    collection->options = merged_options(view_of(collection->options), view_of(change));
    return {};
}

Status OplogReplay::convert_to_capped(const OplogEntry& entry) {
    auto* collection = target(entry);
    if (collection == nullptr || collection->ordered()) return {};
    const auto size = entry.o.find("size");
    const auto bytes = size ? size->as_integer() : std::optional<std::int64_t>();
    if (!bytes) return fail(Code::damaged, "convertToCapped without a size");
    ASB_CHECK(definitions_.convert_to_capped(*collection, *bytes));
    const auto change = BsonWriter().add_bool("capped", true).add_int64("size", *bytes).finish();
    collection->options = merged_options(view_of(collection->options), view_of(change));
    return {};
}

Status OplogReplay::empty(const OplogEntry& entry) {
    auto* collection = target(entry);
    if (collection == nullptr) return {};
    window_.forget(*collection);
    return definitions_.empty(*collection);
}

}  // namespace asb::mongodb
