#pragma once
// Why this exists: `<collection>.metadata.json` is mongodump's own form (canonical Extended JSON
// 2), so that stock mongorestore reads ours and we read its.

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace asb::mongodb {

struct CollectionMetadata {
    std::string name;     // collectionName; empty in what old versions of mongodump wrote
    std::string type;     // "collection", "view", "timeseries"; empty: a collection
    std::string uuid;     // 16 bytes, or empty
    std::string options;  // BSON; an empty document when there are none
    std::vector<std::string> indexes;  // BSON each
};

// A collection's metadata is small; one with hundreds of indexes has some hundred KiB.
inline constexpr std::size_t kMetadataBytesMax = 16 * kMiB;

// `damaged`, naming `name` (of the entry), unless `text` is such a document.
Result<CollectionMetadata> parse_metadata(std::string_view text, std::string_view name);

}  // namespace asb::mongodb
