#pragma once
// Why this exists: backups in a folder (BACKUP_DIR), published so that neither a crash, nor a full
// disk, nor a second run at the same moment can leave half an object under its name.
//
// An object `a/b` is the file `<folder>/a/b`, mode 0600, in folders made 0700. While it is being
// written it is `<folder>/a/.b.partial`, held by flock(2): whoever holds that lock holds the name.
// The kernel drops the lock with the process, so a leftover of a crash is recognised and removed by
// the next writer or sweep, and nothing ever needs to be unlocked by hand.
//
// Fail points (base/fail_point.hpp): store.local.create, .write, .sync, .rename, .sync_folder,
// .erase.

#include "store/store.hpp"

namespace asb {

extern const StoreDriver kLocalStore;

}  // namespace asb
