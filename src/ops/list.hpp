#pragma once
// Why this exists: `list` (`restore --list`): every backup that exists, as a table or as JSON.

#include "ops/context.hpp"

namespace asb {

// Reads manifests only; needs no key. A damaged backup is listed with what is wrong; the outcome is
// ok all the same.
Result<Report> list_backups(const OpsContext& context);

}  // namespace asb
