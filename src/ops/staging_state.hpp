#pragma once
// Why this exists: the text of a staging folder's state file, apart from the folder.

#include "ops/staging_folder.hpp"

namespace asb {

// Canonical JSON with a digest of itself. `usage` when a path or word is not UTF-8.
Result<std::string> to_text(const StagedRestore& staged);
// `damaged` unless to_text wrote it.
Result<StagedRestore> parse_staged(std::string_view text, std::string_view what);

}  // namespace asb
