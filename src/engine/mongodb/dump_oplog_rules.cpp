#include "engine/mongodb/dump_oplog_rules.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace asb {
namespace {

// What a restore replays, or may leave out without losing anything (docs/mongodb.md has the list).
constexpr std::array<std::string_view, 21> kReplayable = {
    "create",           "createIndexes",     "startIndexBuild",
    "commitIndexBuild", "abortIndexBuild",   "drop",
    "dropDatabase",     "dropIndexes",       "deleteIndex",
    "deleteIndexes",    "dropIndex",         "collMod",
    "applyOps",         "commitTransaction", "abortTransaction",
    "dbCheck",          "dbCheckBatch",      "setMultikeyMetadata",
    "dropIdent",        "emptycapped",       "convertToCapped"};

std::string_view database_of(std::string_view name_space) {
    return name_space.substr(0, name_space.find('.'));
}

bool is_users_of(const bson_t& entry, std::string_view name_space, const std::string& database) {
    if (name_space != "admin.system.users" && name_space != "admin.system.roles") return false;
    auto id = text_at(entry, "o2._id");
    if (!id) id = text_at(entry, "o._id");
    return id && id->starts_with(database + ".");
}

bool in_scope(const bson_t& entry, std::string_view name_space, const std::string& database) {
    return database.empty() || database_of(name_space) == database ||
           is_users_of(entry, name_space, database);
}

std::string first_key(const bson_t& document) {
    bson_iter_t field;
    if (!bson_iter_init(&field, &document) || !bson_iter_next(&field)) return {};
    return bson_iter_key(&field);
}

Error impossible(const bson_t& entry, std::string_view what, std::string_view name_space,
                 OplogRule rule) {
    const OpTime at = optime_at(entry, "ts").value_or(OpTime{});
    const bool copying = rule == OplogRule::within_copy;
    return with_hint(
        fail(Code::database, "{} on {} at {}{}: a restore could not replay it", printable(what),
             printable(name_space), to_text(at), copying ? " during the backup" : ""),
        copying ? "nothing was published; run the backup again when no such change is under way"
                : "take a full backup");
}

Status check_rename(const bson_t& entry, const bson_t& command, const std::string& database,
                    OplogRule rule) {
    const std::string from = text_at(command, "renameCollection").value_or("");
    const std::string to = text_at(command, "to").value_or("");
    const bool leaves = database_of(from) != database_of(to);
    const bool ours =
        database.empty() || database_of(from) == database || database_of(to) == database;
    if (!ours || (rule == OplogRule::after_it && !leaves)) return {};
    return impossible(entry, "renameCollection", from, rule);
}

Status check_command(const bson_t& entry, const bson_t& command, const std::string& name_space,
                     const std::string& database, OplogRule rule) {
    const std::string name = first_key(command);
    if (name == "renameCollection") return check_rename(entry, command, database, rule);
    if (!in_scope(entry, name_space, database)) return {};
    if (name == "create" && name_space.starts_with("config.") &&
        text_at(command, "create").value_or("").find("eshardingOperations") != std::string::npos)
        return impossible(entry, "resharding", name_space, rule);
    // Of a time series' buckets, in their terms: it could not be made on the series again.
    const bool of_buckets =
        text_at(command, name.c_str()).value_or("").starts_with("system.buckets.");
    if (of_buckets && (name == "createIndexes" || name == "commitIndexBuild") &&
        rule == OplogRule::after_it)
        return impossible(entry, name, name_space, rule);
    const bool known = std::ranges::find(kReplayable, name) != kReplayable.end();
    if (!known || (name == "convertToCapped" && rule == OplogRule::within_copy))
        return impossible(entry, name, name_space, rule);
    return {};
}

// A BSON array's or document's elements as documents, one after the other.
template <typename Each>
Status each_document(const bson_t& list, const Each& each) {
    bson_iter_t at;
    if (!bson_iter_init(&at, &list)) return {};
    while (bson_iter_next(&at)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&at)) continue;
        std::uint32_t size = 0;
        const std::uint8_t* data = nullptr;
        bson_iter_document(&at, &size, &data);
        bson_t inner;
        if (bson_init_static(&inner, data, size)) ASB_CHECK(each(inner));
    }
    return {};
}

bool is_transaction_part(const bson_t& entry) {
    return find_field(entry, "lsid").has_value() && find_field(entry, "txnNumber").has_value();
}

FittedEntry fit_apply_ops(const bson_t& entry, const bson_t& operations,
                          const std::string& database) {
    BsonBuilder kept;
    std::uint32_t all = 0;
    std::uint32_t ours = 0;
    const auto walked = each_document(operations, [&](const bson_t& operation) -> Status {
        ++all;
        if (in_scope(operation, text_at(operation, "ns").value_or(""), database))
            kept.document(std::to_string(ours++), operation);
        return {};
    });
    ASB_ASSERT(walked.ok());
    if (ours == all) return {};
    // A transaction's chain stays whole, if empty: its ends are found through it.
    if (ours == 0 && !is_transaction_part(entry)) return {.fit = EntryFit::drop};
    BsonBuilder command;
    BsonBuilder changed;
    bson_iter_t at;
    const auto old_command = document_at(entry, "o");
    if (bson_iter_init(&at, old_command->get()))
        while (bson_iter_next(&at)) {
            const std::string_view key = bson_iter_key(&at);
            if (key == "applyOps")
                command.array(key, kept.get());
            else
                command.value(key, at);
        }
    if (bson_iter_init(&at, &entry))
        while (bson_iter_next(&at)) {
            const std::string_view key = bson_iter_key(&at);
            if (key == "o")
                changed.document(key, command.get());
            else
                changed.value(key, at);
        }
    return {.fit = EntryFit::changed, .changed = changed.take()};
}

}  // namespace

Status check_oplog_entry(Bytes entry, const std::string& database, OplogRule rule) {
    bson_t document;
    if (!bson_init_static(&document, reinterpret_cast<const std::uint8_t*>(entry.data()),
                          entry.size()))
        return fail(Code::damaged, "an oplog entry's frame is broken");
    return check_oplog_entry(document, database, rule);
}

Status check_oplog_entry(const bson_t& entry, const std::string& database, OplogRule rule) {
    const std::string kind = text_at(entry, "op").value_or("");
    const std::string name_space = text_at(entry, "ns").value_or("");
    if (name_space == "admin.system.version" && kind != "c")
        return impossible(entry, "a change of the server's version document", name_space, rule);
    if (kind != "c") return {};
    const auto command = document_at(entry, "o");
    if (!command) return fail(Code::damaged, "an oplog entry holds a command without a document");
    const auto operations = document_at(**command, "applyOps");
    if (!operations) return check_command(entry, **command, name_space, database, rule);
    return each_document(**operations, [&](const bson_t& operation) {
        return check_oplog_entry(operation, database, rule);
    });
}

FittedEntry fit_oplog_entry(const bson_t& entry, const std::string& database) {
    if (database.empty()) return {};
    const std::string name_space = text_at(entry, "ns").value_or("");
    if (in_scope(entry, name_space, database)) return {};
    if (const auto operations = document_at(entry, "o.applyOps"))
        return fit_apply_ops(entry, **operations, database);
    const bool ends_transaction = find_field(entry, "o.commitTransaction").has_value() ||
                                  find_field(entry, "o.abortTransaction").has_value();
    return {.fit = ends_transaction ? EntryFit::keep : EntryFit::drop};
}

}  // namespace asb
