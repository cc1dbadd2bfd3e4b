#pragma once
// Why this exists: what belongs to a backup of one database or of a whole deployment, asked of the
// server after the oplog's start is fixed, so that nothing made in between is missed.

#include <string>
#include <vector>

#include "engine/mongodb/client.hpp"
#include "engine/mongodb/dump_users.hpp"

namespace asb {

// A file of metadata to write: a collection or a view.
struct MetadataPlan {
    std::string entry;
    std::string text;  // canonical Extended JSON, mongodump's shape
};

// Part of a collection, by the bounds of its _id index: {_id: ...}, `min` in it, `max` not. Null:
// open on that side.
struct IdRange {
    Bson min = nullptr;
    Bson max = nullptr;
    [[nodiscard]] bool whole() const { return min == nullptr && max == nullptr; }
};

// Documents to read, in one collection.
struct ReadPlan {
    std::string database;         // asked
    std::string collection;       // asked: "system.buckets.x" for a time series
    std::string folder;           // database as the archive has it
    std::string file;             // collection as the archive has it: "$admin.system.users"
    Bson filter = nullptr;        // null: all documents
    IdRange range = {};           // what of it; several reads may share a collection
    bool may_split = false;       // dump_ranges.hpp may read it in ranges
    std::uint64_t documents = 0;  // about; 0: not known
};

// An entry whose documents are here already: users of a server that shows them by command only.
struct ReadyPlan {
    std::string entry;
    BsonFile bytes;
};

struct DumpPlan {
    std::vector<std::string> databases;
    std::vector<MetadataPlan> metadata;
    std::vector<ReadPlan> reads;
    std::vector<ReadyPlan> ready;
    std::vector<std::string> incomplete;  // what is not to be had, for people
    std::uint64_t collections = 0;
};

// The databases that a backup holds: `database`, or all but local.
Result<std::vector<std::string>> dump_databases(MongoConnection& connection,
                                                const std::string& database);
// Everything of those databases. A collection that goes away while it is asked about is left out.
Result<DumpPlan> plan_dump(MongoConnection& connection, const std::string& database);
// Bytes of data in those databases; 0 when the role may not ask.
std::uint64_t dump_bytes(MongoConnection& connection, const std::vector<std::string>& databases);

}  // namespace asb
