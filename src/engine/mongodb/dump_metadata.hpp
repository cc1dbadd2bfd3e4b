#pragma once
// Why this exists: the text of a `.metadata.json` file, exactly in mongodump's shape, from what
// listCollections and listIndexes say.

#include <string>
#include <vector>

#include "engine/mongodb/bson_fields.hpp"

namespace asb {

// What listCollections says of one namespace.
struct CollectionInfo {
    std::string name;
    std::string type;  // "collection", "view", "timeseries"; may be empty on old servers
    Bson options;      // never null
    std::string uuid;  // 32 hex digits; empty for a view
    [[nodiscard]] bool is_view() const { return type == "view"; }
    [[nodiscard]] bool is_timeseries() const { return type == "timeseries"; }
    [[nodiscard]] bool is_capped() const { return flag_at(*options, "capped").value_or(false); }
};

// One document of listCollections' cursor; `damaged` when it has no name.
Result<CollectionInfo> parse_collection_info(const bson_t& document);

// {"options":{},"indexes":[...],"uuid":"...","collectionName":"...","type":"..."} in canonical
// Extended JSON v2; empty options, uuid and type are left out.
std::string metadata_text(const CollectionInfo& info, const std::vector<Bson>& indexes);
// {"ServerVersion":"...","ToolVersion":"..."}
std::string prelude_text(std::string_view server_version, std::string_view tool_version);

}  // namespace asb
