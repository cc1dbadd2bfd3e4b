#pragma once
// Why this exists: `list --contents FILE`: what is inside a backup, so that somebody can name a
// part of it, without reading the data.

#include "ops/context.hpp"

namespace asb {

// Reads manifest, index and the end of the body, where the list of entries stands. `wrong_key`
// without the key of an encrypted backup.
Result<Report> list_contents(const OpsContext& context, const std::string& reference);

}  // namespace asb
