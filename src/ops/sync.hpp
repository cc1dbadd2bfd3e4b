#pragma once
// Why this exists: `sync`: what one destination lacks, another has. A destination that was away, a
// new one, or one that lost something gets the rest, without the database and without a key.

#include "ops/context.hpp"

namespace asb {

struct SyncRequest {
    bool dry_run = false;  // says what would be copied; writes nothing
    // Everything is read everywhere; what is damaged in a destination and whole in another is
    // written anew.
    bool repair = false;
};

// Copies between all configured destinations until each has what any of them has whole: backups,
// streamed log, holds, records of removal. What was removed by policy is not brought back. It goes
// on where an earlier run ended, object by object. `incomplete` when something is whole nowhere, is
// damaged and no repair was asked for, or a destination cannot be reached; each is named.
Result<Report> run_sync(const OpsContext& context, const SyncRequest& request);

}  // namespace asb
