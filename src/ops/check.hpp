#pragma once
// Why this exists: `check` (`doctor`): every precondition of a backup as one line ok, warn or FAIL,
// each FAIL with its fix.

#include "ops/context.hpp"

namespace asb {

// The outcome is that of the first FAIL; ok when there is none.
Result<Report> run_check(const OpsContext& context);

}  // namespace asb
