#pragma once
// Why this exists: `expire`: old backups go by policy, in every destination, and nothing goes that
// something still needs, that is held, or from a list that cannot be trusted (docs/retention.md).

#include "ops/context.hpp"

namespace asb {

struct ExpireRequest {
    bool dry_run = false;     // prints the plan with each reason; removes nothing
    bool everywhere = false;  // whatever REPOSITORY names
    // Why backups that are missing from a list may be: not empty, a record of removal is written
    // for each of them first, with this in it.
    std::string accept_missing = {};
};

// `usage` when no rule is set. Stops before anything is removed: `damaged` when a list of backups
// does not match its own history, `wrong_key` when the key is not that of the newest backup. With
// several destinations, each is done for itself; one that fails is named (`incomplete`).
Result<Report> run_expire(const OpsContext& context, const ExpireRequest& request);

}  // namespace asb
