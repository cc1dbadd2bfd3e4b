#pragma once
// Why this exists: see LogSearch: which entry of the oplog is the last one in, for a given target.

#include <memory>

#include "engine/log_search.hpp"

namespace asb {

// Entries of one position, and of one transaction that a server writes as single entries, are in or
// out together. Notes and parts of transactions are neither: a transaction counts by its end.
//
// | kind     | the first one out                                                      |
// | time     | the first, in the oplog's order, that the server's clock dates later   |
// | position | the first that ends after it                                           |
// | limit    | the first that ends at it or after it (mongorestore's --oplogLimit)    |
// | latest   | none                                                                   |
// `usage` for a name: the oplog knows none.
Result<std::unique_ptr<LogSearch>> search_oplog(const LogTarget& target);

}  // namespace asb
