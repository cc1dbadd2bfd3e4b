#pragma once
// Why this exists: `backup`: one consistent set of entries out of every source, into one published
// backup, or nothing.

#include "ops/context.hpp"
#include "repo/manifest.hpp"

namespace asb {

struct BackupRequest {
    BackupType type = BackupType::full;
    bool dry_run =
        false;  // checks all that a run needs and prints the plan; writes nothing anywhere
    // An incremental backup that cannot go on from the last one ends with `incomplete` instead of
    // becoming a full one.
    bool no_promote = false;
};

// Outcome `incomplete` when something named in the report is missing or not whole. On error nothing
// was published.
Result<Report> run_backup(const OpsContext& context, const BackupRequest& request);

}  // namespace asb
