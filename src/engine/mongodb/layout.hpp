#pragma once
// Why this exists: the names of our entries are those of mongodump's files, so that stock
// mongorestore reads an unpacked archive; they are permanent (docs/FORMAT.md).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace asb {

inline constexpr std::string_view kMongoPrefix = "mongodb/";
inline constexpr std::string_view kPreludeEntry = "mongodb/prelude.json";
inline constexpr std::string_view kOplogEntry = "mongodb/oplog.bson";
inline constexpr std::string_view kOplogBeforeEntry = "mongodb/oplog-before.bson";
// A collection's data is stored under this name when it is a time series.
inline constexpr std::string_view kBucketsPrefix = "system.buckets.";
// Users, roles and the schema version of one database (mongodump --dumpDbUsersAndRoles) stand in
// the database's folder under these names, not escaped: "$admin.system.users".
inline constexpr std::string_view kAdminCopyPrefix = "$admin.";

// The stem of a collection's files: escaped as Go's url.QueryEscape does, and, when that is longer
// than 238 bytes, its first 208 bytes, "%24" and the unpadded base64url SHA-1 of the name (as
// mongodump has it; the metadata file holds the whole name).
std::string collection_stem(std::string_view collection);

// "mongodb/auth/users.metadata.json"
std::string metadata_entry(std::string_view database, std::string_view collection);
// "mongodb/auth/users.bson"; with a part number, "mongodb/auth/users.bson.000001". `collection` is
// what is read: "system.buckets.x" for a time series.
std::string data_entry(std::string_view database, std::string_view collection,
                       std::optional<std::uint32_t> part = std::nullopt);
std::string oplog_entry(std::optional<std::uint32_t> part = std::nullopt);
// Of a full backup, what lies between the one before it and its own oplog: for a recovery that
// comes from further back. mongorestore passes over a file of that name.
std::string oplog_before_entry(std::optional<std::uint32_t> part = std::nullopt);

// What an entry's name says. `stem` is still escaped: compare it with collection_stem, or undo it
// with unescape_stem when it is not shortened.
struct MongoEntry {
    enum class Kind { prelude, metadata, data, oplog_before, oplog };
    Kind kind = Kind::data;
    std::string database = {};  // metadata and data
    std::string stem = {};      // metadata and data: "users", "a%2Fb", "$admin.system.users"
    std::optional<std::uint32_t> part = std::nullopt;  // from 1
};
// nullopt for a name that no version of this program writes.
std::optional<MongoEntry> parse_mongo_entry(std::string_view name);
// Whether entries of this kind are log (Engine::log_entry).
bool is_oplog(MongoEntry::Kind kind);

// The collection's name that `stem` stands for; nullopt when it was shortened or is no stem.
std::optional<std::string> unescape_stem(std::string_view stem);

// Whether mongodump leaves this collection out of a dump: other databases' system collections but
// system.js, config but what names the shards, admin.system.keys, all of local.
bool is_skipped_collection(std::string_view database, std::string_view collection);

}  // namespace asb
