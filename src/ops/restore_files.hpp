#pragma once
// Why this exists: an operator who only wants the logs back as they were at an incremental backup
// needs no database and no target for it.

#include "ops/restore.hpp"

namespace asb {

// Whether `options` ask for files alone, and for no instant.
bool wants_only_files(const RestoreOptions& options);

// Restores the files of an incremental backup out of its chain. On error the target is as it was.
// Where the chain is not whole, what is there, and the outcome is `incomplete`.
Result<Report> restore_files(const OpsContext& context, const RestoreOptions& options);

}  // namespace asb
