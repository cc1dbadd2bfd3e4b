#pragma once
// Why this exists: which oplog entries belong to a backup, and which make it impossible; a pure
// function of the entry, tested from bytes.

#include <optional>
#include <string>

#include "engine/mongodb/bson_fields.hpp"

namespace asb {

// What the entries are to be replayed on.
enum class OplogRule {
    within_copy,  // documents that were read while the entries were written
    after_it,     // the state at exactly the position before the first of them
};

// `database` with the name of the change when a restore could not replay this entry (an import,
// resharding, a change of the server's own versions, an unknown command; within a copy a rename,
// after it one to or from another database). `database` is the backup's scope; empty: the
// deployment. An entry outside the scope is never an error.
Status check_oplog_entry(Bytes entry, const std::string& database, OplogRule rule);
Status check_oplog_entry(const bson_t& entry, const std::string& database, OplogRule rule);

// Whether the entry belongs to the scope of one database: its own namespaces, the users and roles
// of it, and the ends of transactions. An `applyOps` with operations of other databases comes back
// without those.
enum class EntryFit { keep, drop, changed };
struct FittedEntry {
    EntryFit fit = EntryFit::keep;
    Bson changed = nullptr;
};
FittedEntry fit_oplog_entry(const bson_t& entry, const std::string& database);

}  // namespace asb
