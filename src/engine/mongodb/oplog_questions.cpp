#include "engine/mongodb/oplog_questions.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/dump_cursor.hpp"

namespace asb {
namespace {

constexpr const char* kSetId = "settings.replicaSetId";

// A member that is behind the primary knows only what it has; a primary with writes that are not
// yet on a majority, only what is.
CommitTime settled_at(const MongoFacts& facts) {
    const bool knows_all =
        facts.kind == MongoFacts::Kind::primary && facts.majority_optime == facts.last_optime;
    const Instant settled =
        knows_all ? facts.local_time : std::min(facts.local_time, facts.majority_write_time);
    return settled - std::chrono::milliseconds(1);  // more may be written within the same one
}

std::optional<std::string> object_id_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field || !BSON_ITER_HOLDS_OID(&field->at)) return std::nullopt;
    const bson_oid_t* id = bson_iter_oid(&field->at);
    return to_hex(std::as_bytes(std::span(id->bytes)));
}

// nullopt when the server has no such thing or the role may not read it.
std::optional<std::string> set_id_by_command(MongoConnection& connection) {
    const auto reply =
        connection.run_command("admin", BsonBuilder().number("replSetGetConfig", 1).get());
    return reply.ok() ? object_id_at(**reply, "config.settings.replicaSetId") : std::nullopt;
}

std::optional<std::string> set_id_by_document(MongoConnection& connection) {
    DumpCursor cursor(connection, kOplogDatabase, "system.replset",
                      BsonBuilder().text("find", "system.replset").number("limit", 1).take());
    const auto bytes = cursor.next();
    if (!bytes.ok() || !*bytes) return std::nullopt;
    bson_t document;
    if (!bson_init_static(&document, reinterpret_cast<const std::uint8_t*>((*bytes)->data()),
                          (*bytes)->size()))
        return std::nullopt;
    return object_id_at(document, kSetId);
}

// "deployment", or "database auth"
std::string scope_text(const std::string& database) {
    return database.empty() ? std::string("deployment") : "database " + printable(database);
}

}  // namespace

BsonBuilder oplog_query(const OpTime& from, const std::optional<OpTime>& to) {
    BsonBuilder range;
    range.optime("$gte", from);
    if (to) range.optime("$lte", *to);
    BsonBuilder command;
    command.text("find", kOplogCollection)
        .document("filter", BsonBuilder().document("ts", range.get()).get());
    return command;
}

Bson with_majority(BsonBuilder command) {
    command.document("readConcern", BsonBuilder().text("level", "majority").get());
    return command.take();
}

Result<std::optional<EntryMark>> first_mark(MongoConnection& connection, Bson command) {
    DumpCursor cursor(connection, kOplogDatabase, kOplogCollection, std::move(command));
    ASB_TRY(const auto bytes, cursor.next());
    if (!bytes) return std::optional<EntryMark>();
    ASB_TRY(EntryMark mark, read_mark(*bytes));
    return std::optional(std::move(mark));
}

// Sorted by ts: the natural order backwards is not to be trusted on every server.
Result<std::optional<EntryMark>> newest_entry(MongoConnection& connection, const OpTime& optime) {
    BsonBuilder command = oplog_query(OpTime{}, optime);
    command.document("sort", BsonBuilder().number("ts", -1).get()).number("limit", 1);
    return first_mark(connection, with_majority(std::move(command)));
}

Result<std::optional<EntryMark>> oldest_entry(MongoConnection& connection) {
    BsonBuilder command = oplog_query(OpTime{});
    command.number("limit", 1);
    return first_mark(connection, with_majority(std::move(command)));
}

Result<OplogEnd> ask_oplog_end(MongoConnection& connection) {
    ASB_TRY(const MongoFacts first, connection.facts());
    ASB_TRY(const MongoFacts second, connection.facts());
    return OplogEnd{.optime = second.majority_optime,
                    .newest_write = second.majority_write_time,
                    .settled = settled_at(first)};
}

std::string oplog_identity(MongoConnection& connection, const MongoFacts& facts,
                           const std::string& database) {
    auto id = set_id_by_command(connection);
    if (!id) id = set_id_by_document(connection);
    return fmt::format("{} {}", id.value_or(printable(facts.set_name)), scope_text(database));
}

bool is_identity_of(std::string_view identity, const std::string& database) {
    return database.empty() || identity.ends_with(fmt::format(" {}", scope_text(database))) ||
           identity.ends_with(fmt::format(" {}", scope_text({})));
}

}  // namespace asb
