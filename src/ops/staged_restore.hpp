#pragma once
// Why this exists: the long part of a restore (reading, checking, decrypting) can be done while the
// old data still serves; the short part, publishing it, when somebody says so.

#include "ops/restore.hpp"

namespace asb {

// Reads, checks and decrypts the backup into options.staging, and looks at the target as a dry run
// does. Nothing on the target is touched. On error the staging folder is as it was.
Result<Report> prepare_restore(const OpsContext& context, const RestoreOptions& options);

// Publishes what was prepared in options.staging, as a restore would, and removes it there. On
// error the target is as it was and what was prepared stays.
Result<Report> resume_restore(const OpsContext& context, const RestoreOptions& options);

}  // namespace asb
