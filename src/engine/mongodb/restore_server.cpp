#include "engine/mongodb/restore_server.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"

namespace asb::mongodb {
namespace {

constexpr std::int64_t kDuplicateKey = 11000;  // mongo/src/mongo/base/error_codes.yml

// libbson's view of bytes that live elsewhere.
class Borrowed {
  public:
    explicit Borrowed(Bytes bytes) {
        ASB_ASSERT(bson_init_static(&document_, as_uchar(bytes.data()), bytes.size()));
    }
    explicit Borrowed(const std::string& bytes) : Borrowed(as_bytes(bytes)) {}
    [[nodiscard]] const bson_t* get() const { return &document_; }

  private:
    bson_t document_{};
};

struct Reply {
    Reply() = default;
    Reply(const Reply&) = delete;
    Reply& operator=(const Reply&) = delete;
    ~Reply() { bson_destroy(&document); }
    bson_t document = BSON_INITIALIZER;
    bson_error_t error{};
    [[nodiscard]] BsonView view() const {
        return BsonView(
            {reinterpret_cast<const std::byte*>(bson_get_data(&document)), document.len});
    }
};

std::string name_space(std::string_view database, std::string_view collection) {
    return fmt::format("{}.{}", database, collection);
}

std::string name_space(const Place& place) {
    return name_space(place.database, place.collection);
}

std::string_view command_name(const std::string& command) {
    return view_of(command).begin()->key;
}

// What the command's first field names: a collection, or nothing.
std::string about(std::string_view database, const std::string& command) {
    const auto collection = view_of(command).begin()->as_string();
    if (!collection) return std::string(database);
    return database == "admin" ? std::string(*collection) : name_space(database, *collection);
}

bool send(MongoConnection& connection, std::string_view database, const std::string& command,
          Reply& reply) {
    bson_destroy(&reply.document);
    return mongoc_client_write_command_with_opts(connection.client(), std::string(database).c_str(),
                                                 Borrowed(command).get(), nullptr, &reply.document,
                                                 &reply.error);
}

// The places in a batch whose write failed for a duplicate key; nullopt when any failed otherwise.
std::optional<std::vector<std::size_t>> duplicates(BsonView reply) {
    std::vector<std::size_t> places;
    for (const auto& item : reply.child("writeErrors")) {
        const auto code = view_of(item).find("code");
        const auto index = view_of(item).find("index");
        if (!code || code->as_integer() != kDuplicateKey || !index) return std::nullopt;
        places.push_back(static_cast<std::size_t>(index->as_integer().value_or(0)));
    }
    if (places.empty() || reply.child("writeConcernErrors").begin() != reply.end())
        return std::nullopt;
    return places;
}

std::vector<Bytes> cut(std::string_view documents) {
    std::vector<Bytes> cut;
    for (Bytes rest = as_bytes(documents); !rest.empty();) {
        const std::size_t length = read_u32(rest.data());
        cut.push_back(rest.first(length));
        rest = rest.subspan(length);
    }
    return cut;
}

Status execute(MongoConnection& connection, const Place& place, mongoc_bulk_operation_t* bulk,
               std::string_view action) {
    mongoc_bulk_operation_set_bypass_document_validation(bulk, true);
    Reply reply;
    bson_destroy(&reply.document);
    if (mongoc_bulk_operation_execute(bulk, &reply.document, &reply.error) != 0) return {};
    return connection.error_of(reply.error, action, name_space(place));
}

MongoBulk start_bulk(const MongoCollection& collection, bool ordered) {
    const auto options = BsonWriter().add_bool("ordered", ordered).finish();
    return MongoBulk(mongoc_collection_create_bulk_operation_with_opts(collection.get(),
                                                                       Borrowed(options).get()));
}

}  // namespace

Result<std::string> run(MongoConnection& connection, std::string_view database,
                        const std::string& command) {
    ASB_CHECK(connection.stop().check());
    Reply reply;
    if (!send(connection, database, command, reply))
        return connection.error_of(reply.error, command_name(command), about(database, command));
    return std::string(as_text(reply.view().bytes()));
}

Status run_tolerating(MongoConnection& connection, std::string_view database,
                      const std::string& command, std::uint32_t tolerated) {
    Reply reply;
    if (send(connection, database, command, reply)) return {};
    if (is_server_error(reply.error, tolerated)) return {};
    return connection.error_of(reply.error, command_name(command), about(database, command));
}

Result<std::vector<PresentCollection>> list_collections(MongoConnection& connection,
                                                        std::string_view database) {
    const MongoDatabase handle(
        mongoc_client_get_database(connection.client(), std::string(database).c_str()));
    const MongoCursor cursor(mongoc_database_find_collections_with_opts(handle.get(), nullptr));
    std::vector<PresentCollection> found;
    const bson_t* document = nullptr;
    while (mongoc_cursor_next(cursor.get(), &document)) {
        const BsonView view(
            {reinterpret_cast<const std::byte*>(bson_get_data(document)), document->len});
        PresentCollection present;
        present.name = view.text("name");
        if (present.name.starts_with("system.") && present.name != "system.js") continue;
        present.type = view.text("type");
        const auto options = view.find("options");
        present.options = options && options->is(BsonType::document)
                              ? std::string(as_text(options->value))
                              : BsonWriter().finish();
        found.push_back(std::move(present));
    }
    ASB_CHECK(connection.cursor_status(cursor.get(), "listCollections", database));
    return found;
}

Result<std::vector<std::string>> list_databases(MongoConnection& connection) {
    const auto command =
        BsonWriter().add_int32("listDatabases", 1).add_bool("nameOnly", true).finish();
    ASB_TRY(const auto reply, run(connection, "admin", command));
    std::vector<std::string> names;
    for (const auto& database : view_of(reply).child("databases"))
        names.emplace_back(view_of(database).text("name"));
    return names;
}

Status create_collection(MongoConnection& connection, std::string_view database,
                         std::string_view name, BsonView fields) {
    const auto command = BsonWriter().add_text("create", name).add_all(fields).finish();
    ASB_TRY([[maybe_unused]] const auto reply, run(connection, database, command));
    return {};
}

Status drop_collection(MongoConnection& connection, std::string_view database,
                       std::string_view name) {
    return run_tolerating(connection, database, BsonWriter().add_text("drop", name).finish(),
                          kNamespaceNotFoundCode);
}

Status rename_collection(MongoConnection& connection, std::string_view database,
                         std::string_view from, std::string_view to) {
    const auto command = BsonWriter()
                             .add_text("renameCollection", name_space(database, from))
                             .add_text("to", name_space(database, to))
                             .finish();
    ASB_TRY([[maybe_unused]] const auto reply, run(connection, "admin", command));
    return {};
}

Result<std::uint64_t> count_documents(MongoConnection& connection, std::string_view database,
                                      std::string_view name) {
    ASB_TRY(const auto reply,
            run(connection, database, BsonWriter().add_text("count", name).finish()));
    const auto count = view_of(reply).find("n");
    return static_cast<std::uint64_t>(count ? count->as_integer().value_or(0) : 0);
}

Result<std::uint64_t> insert_documents(MongoConnection& connection, const Place& place,
                                       std::string_view documents, InsertOrder order) {
    ASB_CHECK(connection.stop().check());
    const auto pieces = cut(documents);
    const auto collection = connection.collection(place.database, place.collection);
    const auto bulk = start_bulk(collection, order == InsertOrder::kept);
    const auto options = BsonWriter().add_bool("validate", false).finish();
    Reply reply;
    for (const Bytes piece : pieces)
        if (!mongoc_bulk_operation_insert_with_opts(bulk.get(), Borrowed(piece).get(),
                                                    Borrowed(options).get(), &reply.error))
            return connection.error_of(reply.error, "insert", name_space(place));
    mongoc_bulk_operation_set_bypass_document_validation(bulk.get(), true);
    bson_destroy(&reply.document);
    if (mongoc_bulk_operation_execute(bulk.get(), &reply.document, &reply.error) != 0)
        return std::uint64_t{0};
    const auto doubled = duplicates(reply.view());
    if (!doubled || order == InsertOrder::kept)
        return connection.error_of(reply.error, "insert", name_space(place));
    std::vector<std::string> again;
    for (const auto index : *doubled)
        if (index < pieces.size()) again.emplace_back(as_text(pieces[index]));
    ASB_CHECK(store_documents(connection, place, again));
    return std::uint64_t{again.size()};
}

Status store_documents(MongoConnection& connection, const Place& place,
                       const std::vector<std::string>& documents) {
    if (documents.empty()) return {};
    const auto collection = connection.collection(place.database, place.collection);
    const auto bulk = start_bulk(collection, true);
    const auto options = BsonWriter().add_bool("upsert", true).add_bool("validate", false).finish();
    bson_error_t error{};
    for (const auto& document : documents) {
        const auto id = view_of(document).find("_id");
        if (!id) return fail(Code::damaged, "a document for {} has no _id", name_space(place));
        const auto filter = BsonWriter().add(*id).finish();
        if (!mongoc_bulk_operation_replace_one_with_opts(bulk.get(), Borrowed(filter).get(),
                                                         Borrowed(document).get(),
                                                         Borrowed(options).get(), &error))
            return connection.error_of(error, "update", name_space(place));
    }
    return execute(connection, place, bulk.get(), "update");
}

Status erase_documents(MongoConnection& connection, const Place& place,
                       const std::vector<std::string>& filters) {
    if (filters.empty()) return {};
    const auto collection = connection.collection(place.database, place.collection);
    const auto bulk = start_bulk(collection, false);
    bson_error_t error{};
    for (const auto& filter : filters)
        if (!mongoc_bulk_operation_remove_one_with_opts(bulk.get(), Borrowed(filter).get(), nullptr,
                                                        &error))
            return connection.error_of(error, "delete", name_space(place));
    return execute(connection, place, bulk.get(), "delete");
}

Status find_documents(MongoConnection& connection, const Place& place, const std::string& filter,
                      const std::string& options,
                      const std::function<Status(Bytes document)>& take) {
    const auto collection = connection.collection(place.database, place.collection);
    const MongoCursor cursor(mongoc_collection_find_with_opts(
        collection.get(), Borrowed(filter).get(), Borrowed(options).get(), nullptr));
    const bson_t* document = nullptr;
    while (mongoc_cursor_next(cursor.get(), &document))
        ASB_CHECK(
            take({reinterpret_cast<const std::byte*>(bson_get_data(document)), document->len}));
    return connection.cursor_status(cursor.get(), "find", name_space(place));
}

}  // namespace asb::mongodb
