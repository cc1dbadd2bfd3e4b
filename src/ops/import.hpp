#pragma once
// Why this exists: `restore --from-mongodump`: what a stock tool dumped is restored as a backup of
// ours is: beside the old data, checked, and swapped in one short step.

#include "ops/restore.hpp"

namespace asb {

// `options.from_mongodump` names the dump. On error the target is as it was.
Result<Report> run_import(const OpsContext& context, const RestoreOptions& options);

}  // namespace asb
