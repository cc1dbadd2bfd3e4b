#pragma once
// Why this exists: how a line of the log came from others is needed twice: by our planner, in words
// that hold for every database, and by PostgreSQL's server, which asks for its own history file.

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "engine/log.hpp"

namespace asb {

inline constexpr std::size_t kLineHistoryBytesMax = 256 * kKiB;  // 100 branches; a text of 64 KiB

// The object `log/<log id>/<line>.history`.
struct LineHistory {
    std::vector<LogBranch> branches;  // of the line and all before it
    std::string text;                 // the server's own file, as it gave it; UTF-8 or not
};

// Canonical JSON and a newline.
std::string to_text(const LineHistory& history);
// `damaged` when it is not what to_text gives. `what` names it in the error.
Result<LineHistory> parse_line_history(std::string_view text, std::string_view what);

}  // namespace asb
