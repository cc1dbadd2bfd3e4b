#pragma once
// Why this exists: the search in WAL as the rest of the program asks for it.

#include <memory>

#include "engine/log_search.hpp"

namespace asb {

// `facts`: of a manifest of this engine, for the size of segments. `damaged` without it.
Result<std::unique_ptr<LogSearch>> search_wal(const LogTarget& target, const Json& facts);

// The entry of an incremental backup that says which segments of this timeline hold which commits
// (wal_times.hpp).
std::string wal_times_entry(std::uint32_t timeline);

// Where a search for `target` may begin, by the text of such an entry, so that the last commit in
// is seen: `from` or a segment after it. `damaged` when the text is none.
Result<LogPoint> wal_search_start(std::string_view times, const LogTarget& target,
                                  const LogPoint& from);

}  // namespace asb
