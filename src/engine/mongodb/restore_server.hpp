#pragma once
// Why this exists: what a restore asks of its target, each as one call with the error that an
// operator can act on. Commands are made as plain BSON, so that options of the backup pass as they
// are.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mongodb/bson_view.hpp"
#include "engine/mongodb/client.hpp"

namespace asb::mongodb {

// A collection or view that is there now.
struct PresentCollection {
    std::string name;
    std::string type;     // "collection", "view", "timeseries"
    std::string options;  // BSON
    [[nodiscard]] bool is_view() const { return type == "view"; }
    [[nodiscard]] bool is_time_series() const {
        return type == "timeseries" || view_of(options).find("timeseries").has_value();
    }
};

// Calls with a `connection` of their thread.
Result<std::string> run(MongoConnection& connection, std::string_view database,
                        const std::string& command);
// The same, with `tolerated` as success: a server error code that says it is done already.
Status run_tolerating(MongoConnection& connection, std::string_view database,
                      const std::string& command, std::uint32_t tolerated);

// Without the server's own (system.*), but with system.js.
Result<std::vector<PresentCollection>> list_collections(MongoConnection& connection,
                                                        std::string_view database);
Result<std::vector<std::string>> list_databases(MongoConnection& connection);
// `fields` are options of create; a view's are viewOn and pipeline.
Status create_collection(MongoConnection& connection, std::string_view database,
                         std::string_view name, BsonView fields);
// Harmless when it is not there.
Status drop_collection(MongoConnection& connection, std::string_view database,
                       std::string_view name);
// Within one database. Refused by the server when `to` exists.
Status rename_collection(MongoConnection& connection, std::string_view database,
                         std::string_view from, std::string_view to);
Result<std::uint64_t> count_documents(MongoConnection& connection, std::string_view database,
                                      std::string_view name);

enum class InsertOrder { any, kept };
struct Place {
    std::string database;
    std::string collection;
};
// Inserts `documents`, BSON one after another, without the validator of the collection. One whose
// _id is there replaces it: a document that was deleted and inserted anew while it was read may
// have been read twice, and the oplog says which is right. Returns how many replaced another.
Result<std::uint64_t> insert_documents(MongoConnection& connection, const Place& place,
                                       std::string_view documents, InsertOrder order);
// Replaces or inserts each by its _id.
Status store_documents(MongoConnection& connection, const Place& place,
                       const std::vector<std::string>& documents);
// Deletes what each filter finds, one document at most.
Status erase_documents(MongoConnection& connection, const Place& place,
                       const std::vector<std::string>& filters);
// Calls `take` for each document that `filter` finds; `options` as of find.
Status find_documents(MongoConnection& connection, const Place& place, const std::string& filter,
                      const std::string& options,
                      const std::function<Status(Bytes document)>& take);

}  // namespace asb::mongodb
