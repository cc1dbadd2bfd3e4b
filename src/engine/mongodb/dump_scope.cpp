#include "engine/mongodb/dump_scope.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "engine/mongodb/dump_cursor.hpp"
#include "engine/mongodb/dump_metadata.hpp"
#include "engine/mongodb/layout.hpp"

namespace asb {
namespace {

// The collections that hold a deployment's users.
constexpr std::array<std::string_view, 3> kAuthCollections = {"system.users", "system.roles",
                                                              "system.version"};

Result<std::vector<Bson>> read_all(MongoConnection& connection, const std::string& database,
                                   std::string collection, Bson command) {
    std::vector<Bson> documents;
    DumpCursor cursor(connection, database, std::move(collection), std::move(command));
    for (;;) {
        ASB_TRY(const auto bytes, cursor.next());
        if (!bytes) return documents;
        documents.emplace_back(bson_new_from_data(
            reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size()));
    }
}

Result<std::vector<CollectionInfo>> list_collections(MongoConnection& connection,
                                                     const std::string& database) {
    ASB_TRY(const auto documents, read_all(connection, database, "$cmd.listCollections",
                                           BsonBuilder()
                                               .number("listCollections", 1)
                                               .document("cursor", BsonBuilder().get())
                                               .take()));
    std::vector<CollectionInfo> infos;
    for (const Bson& document : documents) {
        ASB_TRY(CollectionInfo info, parse_collection_info(*document));
        infos.push_back(std::move(info));
    }
    return infos;
}

// nullopt when the collection is no more.
Result<std::optional<std::vector<Bson>>> list_indexes(MongoConnection& connection,
                                                      const std::string& database,
                                                      const CollectionInfo& info) {
    if (info.is_view()) return std::optional(std::vector<Bson>());
    auto indexes = read_all(connection, database, info.name,
                            BsonBuilder()
                                .text("listIndexes", info.name)
                                .document("cursor", BsonBuilder().get())
                                .take());
    if (indexes.ok()) return std::optional(std::move(indexes.value()));
    if (indexes.error().fact.ends_with(fmt::format("(code {})", kNamespaceNotFoundCode)))
        return std::optional<std::vector<Bson>>();
    return indexes.error();
}

// Ranges of _id need an index of _id in plain BSON order: a clustered collection and a time series
// have none, a collation has another order. A capped collection's order of insertion must be kept.
// Users and roles are few.
bool may_split(const std::string& database, const CollectionInfo& info) {
    return database != "admin" && !info.is_view() && !info.is_capped() && !info.is_timeseries() &&
           !find_field(*info.options, "clusteredIndex") && !find_field(*info.options, "collation");
}

class Planner {
  public:
    explicit Planner(MongoConnection& connection) : connection_(connection) {}

    Status add_database(const std::string& database);
    Status add_users_of(const std::string& database);
    Status add_deployment_users();
    Status replace_users(const std::string& database);
    DumpPlan take() { return std::move(plan_); }

  private:
    void add_read(const std::string& database, const CollectionInfo& info,
                  const std::set<std::string>& names);
    void measure(ReadPlan& read);
    void add_copy(std::string_view collection, const std::string& database, Bson filter);

    MongoConnection& connection_;
    DumpPlan plan_;
};

// The count only steers the order of work; a role that may not ask for it still gets its backup.
void Planner::measure(ReadPlan& read) {
    const auto count =
        connection_.run_command(read.database, BsonBuilder().text("count", read.collection).get());
    if (!count.ok()) return;
    const auto documents = number_at(**count, "n").value_or(0);
    read.documents = static_cast<std::uint64_t>(std::max<std::int64_t>(0, documents));
}

void Planner::add_read(const std::string& database, const CollectionInfo& info,
                       const std::set<std::string>& names) {
    // mongod keeps a time series in buckets, and what has its name is a view of them, without a
    // UUID. Servers that have none, or only show some, keep measurements and are read as they are:
    // their oplog tells of measurements, and they take no buckets.
    const std::string buckets = std::string(kBucketsPrefix) + info.name;
    const bool in_buckets = info.is_timeseries() && names.contains(buckets) && info.uuid.empty();
    ReadPlan read{.database = database,
                  .collection = in_buckets ? buckets : info.name,
                  .folder = database,
                  .file = in_buckets ? buckets : info.name,
                  .may_split = may_split(database, info)};
    measure(read);
    plan_.reads.push_back(std::move(read));
}

Status Planner::add_database(const std::string& database) {
    ASB_TRY(const auto infos, list_collections(connection_, database));
    std::set<std::string> names;
    for (const auto& info : infos) names.insert(info.name);
    plan_.databases.push_back(database);
    for (const auto& info : infos) {
        if (is_skipped_collection(database, info.name)) continue;
        ASB_TRY(const auto indexes, list_indexes(connection_, database, info));
        if (!indexes) continue;
        plan_.metadata.push_back(
            {metadata_entry(database, info.name), metadata_text(info, *indexes)});
        ++plan_.collections;
        if (!info.is_view()) add_read(database, info, names);
    }
    return {};
}

void Planner::add_copy(std::string_view collection, const std::string& database, Bson filter) {
    plan_.reads.push_back({.database = "admin",
                           .collection = std::string(collection),
                           .folder = database,
                           .file = std::string(kAdminCopyPrefix).append(collection),
                           .filter = std::move(filter)});
}

Status Planner::add_users_of(const std::string& database) {
    if (database == "admin") return {};
    for (const auto collection : kAuthCollections)
        add_copy(
            collection, database,
            collection == "system.version" ? nullptr : BsonBuilder().text("db", database).take());
    return {};
}

// A server may keep its users without listing their collections; they are the payload of an auth
// service's backup, so they are asked for by name.
Status Planner::add_deployment_users() {
    for (const auto collection : kAuthCollections) {
        const bool listed = std::ranges::any_of(plan_.reads, [&](const ReadPlan& read) {
            return read.database == "admin" && read.collection == collection;
        });
        if (listed) continue;
        plan_.reads.push_back({.database = "admin",
                               .collection = std::string(collection),
                               .folder = "admin",
                               .file = std::string(collection)});
    }
    return {};
}

// Where the collections do not show the users, what the commands say stands under the same names.
Status Planner::replace_users(const std::string& database) {
    ASB_TRY(auto answer, ask_for_users(connection_, database, plan_.databases));
    if (!answer.missing.empty()) plan_.incomplete.push_back(std::move(answer.missing));
    auto& found = answer.by_command;
    if (!found) return {};
    const std::string folder = database.empty() ? "admin" : database;
    const std::string prefix(folder == "admin" ? "" : kAdminCopyPrefix);
    const auto replace = [&](std::string_view collection, BsonFile bytes) {
        const std::string file = prefix + std::string(collection);
        std::erase_if(plan_.reads, [&](const ReadPlan& read) {
            return read.folder == folder && read.file == file;
        });
        plan_.ready.push_back({data_entry(folder, file), std::move(bytes)});
    };
    replace("system.users", std::move(found->users));
    replace("system.roles", std::move(found->roles));
    return {};
}

}  // namespace

Result<std::vector<std::string>> dump_databases(MongoConnection& connection,
                                                const std::string& database) {
    if (!database.empty()) return std::vector<std::string>{database};
    ASB_TRY(const Bson reply,
            connection.run_command(
                "admin", BsonBuilder().number("listDatabases", 1).flag("nameOnly", true).get()));
    std::vector<std::string> names;
    const auto list = find_field(*reply, "databases");
    bson_iter_t each;
    if (!list || !bson_iter_recurse(&list->at, &each))
        return fail(Code::damaged, "the server's reply to listDatabases holds no list");
    while (bson_iter_next(&each)) {
        bson_iter_t name;
        if (bson_iter_recurse(&each, &name) && bson_iter_find(&name, "name") &&
            BSON_ITER_HOLDS_UTF8(&name) &&
            std::string_view("local") != bson_iter_utf8(&name, nullptr))
            names.emplace_back(bson_iter_utf8(&name, nullptr));
    }
    std::ranges::sort(names);
    return names;
}

Result<DumpPlan> plan_dump(MongoConnection& connection, const std::string& database) {
    ASB_TRY(const auto databases, dump_databases(connection, database));
    Planner planner(connection);
    for (const auto& name : databases) ASB_CHECK(planner.add_database(name));
    ASB_CHECK(database.empty() ? planner.add_deployment_users() : planner.add_users_of(database));
    ASB_CHECK(planner.replace_users(database));
    return planner.take();
}

std::uint64_t dump_bytes(MongoConnection& connection, const std::vector<std::string>& databases) {
    std::uint64_t sum = 0;
    for (const auto& name : databases) {
        const auto stats = connection.run_command(name, BsonBuilder().number("dbStats", 1).get());
        if (!stats.ok()) continue;
        const auto bytes = number_at(**stats, "dataSize").value_or(0);
        sum += static_cast<std::uint64_t>(std::max<std::int64_t>(0, bytes));
    }
    return sum;
}

}  // namespace asb
