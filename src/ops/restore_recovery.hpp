#pragma once
// Why this exists: a restore that goes on after its full backup: over incremental backups and
// streamed log, to an instant.

#include "ops/recovery.hpp"
#include "ops/restore.hpp"

namespace asb {

// The wish that these options are.
RecoveryWish recovery_wish(const RestoreOptions& options);

// On error the target is as it was. With options.dry_run: the plan.
Result<Report> restore_to_target(const OpsContext& context, const RestoreOptions& options);

}  // namespace asb
