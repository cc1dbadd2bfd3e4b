#pragma once
// Why this exists: an incremental backup goes on where what can be restored ends. A backup whose
// chain is broken is no place to go on from.

#include <string_view>
#include <vector>

#include "repo/catalog.hpp"

namespace asb {

// Where each log of `engine` ends: the end of what the newest full backup of an identity and the
// incremental ones after it cover without a gap. One an identity; damaged backups do not count.
std::vector<LogTail> log_tails(const Catalog& catalog, std::string_view engine);

}  // namespace asb
