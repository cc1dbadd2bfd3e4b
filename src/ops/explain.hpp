#pragma once
// Why this exists: "can we get back to then?" is asked before anything is touched, and answered
// from names and manifests alone: no key, no download, no connection.

#include "ops/context.hpp"
#include "repo/recovery_target.hpp"

namespace asb {

// The plan that a restore to the target would follow; or why there is none and which instants are
// nearest, and then the outcome is unreachable_target. Of several databases in one repository, that
// of DATABASE_URL counts; without one, that of the newest backup.
Result<Report> explain_target(const OpsContext& context, const TargetWords& words);

}  // namespace asb
