#pragma once
// Why this exists: "can we get back to then?" is asked before anything is touched, and answered
// from names and manifests alone: no key, no download, no connection.

#include "ops/context.hpp"
#include "ops/recovery.hpp"

namespace asb {

// The plan that a restore to the target would follow; or why there is none and which instants are
// nearest, and then the outcome is unreachable_target. `usage` when the repository holds several
// databases and nothing says which one is meant.
Result<Report> explain_target(const OpsContext& context, const RecoveryWish& wish);

}  // namespace asb
