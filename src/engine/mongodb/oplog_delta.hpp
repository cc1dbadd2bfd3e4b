#pragma once
// Why this exists: mongod's delta entries, one of the dialects of oplog_update.hpp, are a small
// language of their own.

#include <string>

#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {

// `document` after `diff`. A sub-difference that meets a value of another kind leaves null there,
// as the server does: a later entry sets that field. `damaged` for a difference that is malformed
// or nested deeper than documents may be.
Result<std::string> apply_delta(BsonView document, BsonView diff);

}  // namespace asb::mongodb
