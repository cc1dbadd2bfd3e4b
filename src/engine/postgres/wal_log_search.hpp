#pragma once
// Why this exists: the search in WAL as the rest of the program asks for it.

#include <memory>

#include "engine/log_search.hpp"

namespace asb {

// `facts`: of a manifest of this engine, for the size of segments. `damaged` without it.
Result<std::unique_ptr<LogSearch>> search_wal(const LogTarget& target, const Json& facts);

}  // namespace asb
