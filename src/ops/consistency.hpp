#pragma once
// Why this exists: a backup that is not of one moment must be called so wherever it is named.

#include "repo/manifest.hpp"

namespace asb {

// Whether an engine says in the manifest that its part is not of one moment (a MongoDB server
// without an oplog, backed up with --allow-inconsistent).
[[nodiscard]] bool is_inconsistent(const Manifest& manifest);

// The line for a report's text, with a newline; empty for a consistent backup.
[[nodiscard]] std::string consistency_line(const Manifest& manifest);

}  // namespace asb
