#pragma once
// Why this exists: updates told by dotted paths, two of the dialects of oplog_update.hpp.

#include <string>
#include <string_view>
#include <vector>

#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {

// Changes to one document, applied in this order: truncations, removals, new values. Views.
struct PathChanges {
    struct Set {
        std::string_view path;
        BsonElement value;
    };
    struct Truncate {
        std::string_view path;
        std::int64_t size = 0;
    };
    std::vector<Truncate> truncate;
    std::vector<std::string_view> unset;
    std::vector<Set> set;
};

// `document` after `changes`. A component of digits names an array's element where there is an
// array, and a field elsewhere; a missing parent is made; an array too short is filled with null;
// an array's element that is removed becomes null; a path through any other value is skipped
// (a later entry sets that). `damaged` for a path of more than kDocumentDepthMax components or an
// index that no document can hold.
Result<std::string> apply_paths(BsonView document, const PathChanges& changes);

}  // namespace asb::mongodb
