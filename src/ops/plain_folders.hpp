#pragma once
// Why this exists: what a restore lays into a folder is decrypted. In a repository's folder it
// would lie where everything else is encrypted, and be copied on with it.

#include "ops/restore.hpp"

namespace asb {

// Looks at every folder that this restore would write to: `usage` when one lies in a repository
// that settings name, or in that of the named backup, or has one inside, symbolic links and second
// mounts of the same folder resolved. Writes nothing.
Status check_plain_folders(const OpsContext& context, const RestoreOptions& options);

}  // namespace asb
