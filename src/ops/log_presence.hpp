#pragma once
// Why this exists: a folder that was unmounted or moved away is no empty repository: who would make
// it anew would keep a log where nobody looks for it. So a running stream asks for its log first.

#include "repo/log_names.hpp"

namespace asb {

// Whether the log's record is there under its name at this moment. `store` otherwise, whatever the
// cause: what is away may come back.
Status check_log_present(StoreReader& store, std::string_view log_id);

// The same of a backup's manifest: before the first thing of a log is made beside it.
Status check_backup_present(StoreReader& store, std::string_view backup);

// Whether what was just put is where a reader looks for it, and the log's record too. `store` when
// it went elsewhere: it may not be confirmed to anybody, and only a new start finds out what is
// kept.
Status check_kept(StoreReader& store, std::string_view log_id, const ObjectKey& object);

}  // namespace asb
