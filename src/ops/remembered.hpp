#pragma once
// Why this exists: what this machine remembers of a repository lies in LOG_DIR, one file for each
// kind and place.

#include <string>
#include <string_view>

#include "ops/context.hpp"

namespace asb {

// LOG_DIR/KIND/<digest of the place><ending>: two places differ.
std::string remembered_path(const OpsContext& context, std::string_view kind,
                            const std::string& place, std::string_view ending);
// In one act; makes the folder when it is missing.
Status remember(const std::string& path, std::string_view text);

}  // namespace asb
