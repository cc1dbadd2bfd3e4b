#pragma once
// Why this exists: an update in the oplog says what became of a document, not how to ask a server
// for it: mongod's delta form has no command of its own but applyOps, which managed and compatible
// servers lack. Applied here, one document at a time, it is a plain write afterwards.

#include <string>

#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {

// What `document` is after `update`, the `o` of an oplog entry of kind `u`. Four dialects:
//  - a whole document: replaces it (its _id is kept when the update has none);
//  - {$v: 1, $set, $unset}: dotted paths (servers before 5.0);
//  - {$v: 2, diff: {d, u, i, b, s<field>, a, l, u<index>, s<index>}}: mongod's delta
//    (mongo/src/mongo/db/update/document_diff_serialization.h);
//  - {$v: 2, diff: {updatedFields, removedFields, truncatedArrays}}: dotted paths, as change
//    streams describe an update (updateDescription in the manual).
// Field order is the server's. Applying it to a document that already has a later state does no
// harm: what does not fit (a path through a value that is no document, an array too short) is what
// a later entry sets. `database` for a form that is none of these. Pure; any thread.
Result<std::string> apply_update(BsonView document, BsonView update);

// Whether `update` says all of the document's new state, so that the old one is not needed.
[[nodiscard]] bool is_replacement(BsonView update);

}  // namespace asb::mongodb
