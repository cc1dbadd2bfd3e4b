#pragma once
// Why this exists: what is asked of a server's oplog, in one place: always of what no rollback can
// undo, and as few questions as can be, since a server that cannot seek in it reads all of it for
// each.

#include <optional>
#include <string>

#include "engine/mongodb/bson_fields.hpp"
#include "engine/mongodb/client.hpp"
#include "engine/mongodb/oplog_mark.hpp"

namespace asb {

inline constexpr const char* kOplogDatabase = "local";
inline constexpr const char* kOplogCollection = "oplog.rs";

// A find of the entries from `from` on, up to the newest without `to`; with_majority ends it.
BsonBuilder oplog_query(const OpTime& from, const std::optional<OpTime>& to = std::nullopt);
Bson with_majority(BsonBuilder command);

// The first document of the answer, as a mark; nullopt when there is none.
Result<std::optional<EntryMark>> first_mark(MongoConnection& connection, Bson command);
// The newest entry at or before `optime`. mongod reads its oplog from the beginning for this.
Result<std::optional<EntryMark>> newest_entry(MongoConnection& connection, const OpTime& optime);
// The oldest entry that there is. mongod gives it at once.
Result<std::optional<EntryMark>> oldest_entry(MongoConnection& connection);

// How far a stretch of the oplog goes.
struct OplogEnd {
    OpTime optime;         // the newest write that no rollback can undo
    Instant newest_write;  // its time
    // By the server's clock: whatever was committed by then is at or before `optime`.
    CommitTime settled;
};
// Asks twice, so that a write that was under way at the first question (it may have had its time
// already) is there at the second.
Result<OplogEnd> ask_oplog_end(MongoConnection& connection);

// What tells this deployment, or this database of it, from another (LogFacts::identity): the
// replica set's id where the role may read it, else its name; and the scope.
std::string oplog_identity(MongoConnection& connection, const MongoFacts& facts,
                           const std::string& database);
// Whether an identity may be that of `database` (empty: of anything) of some deployment.
bool is_identity_of(std::string_view identity, const std::string& database);

}  // namespace asb
