#pragma once
// Why this exists: `restore`: from an authenticated archive into a staging place, and from there,
// in one short step, to where it is wanted.

#include "ops/context.hpp"
#include "repo/recovery_target.hpp"

namespace asb {

struct RestoreOptions {
    std::string backup;          // --backup-file: a path, a URL, a name, or latest
    TargetWords target;          // where to stop; empty: at the backup's end
    std::string from_mongodump;  // --from-mongodump: a folder or an archive of mongodump's instead
    RestoreRequest request;
    bool components_named = false;  // --components was said; else they follow from --only
    std::string staging;  // --staging: prepare there instead of publishing; with resume: from there
    bool resume = false;  // publish what was prepared in `staging`
    bool dry_run = false;  // a reader only: prints what would be done and replaced
    bool unauthenticated =
        false;  // the manifest is lost: read the body alone, into --target-dir or --files-dir
};

// On error the target is as it was.
Result<Report> run_restore(const OpsContext& context, const RestoreOptions& options);

}  // namespace asb
