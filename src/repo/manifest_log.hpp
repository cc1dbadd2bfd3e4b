#pragma once
// Why this exists: what a backup says of its database's log, as the manifest holds it; from this
// alone the catalog knows which instants can be reached.

#include "repo/manifest.hpp"

namespace asb {

Json to_json(const ManifestLog& log);
// `damaged` when a member is missing, or when ranges and branches contradict themselves. `what`
// names the document in the error.
Result<ManifestLog> parse_manifest_log(const Json& object, std::string_view what);

}  // namespace asb
