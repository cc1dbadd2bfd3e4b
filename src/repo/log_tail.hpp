#pragma once
// Why this exists: an incremental backup or a stream goes on where what can be restored ends. A
// backup whose chain is broken is no place to go on from.

#include <string_view>
#include <vector>

#include "repo/catalog.hpp"
#include "repo/log_history.hpp"

namespace asb {

// Where each log of `engine` ends: the end of what the newest full backup of an identity, and after
// it incremental backups and streamed objects, cover without a gap. One an identity; damaged
// backups do not count, and neither does an object whose header is not what its name says. Reads
// the header of the last object of each.
//
// LogTail::written_by is the last backup before that end.
Result<std::vector<LogTail>> log_tails(StoreReader& store, const Catalog& catalog,
                                       std::string_view engine);

}  // namespace asb
