#include "engine/postgres/wal_point.hpp"

#include <limits>

#include "base/text.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {
namespace {

constexpr std::string_view kBeforeLine = " (timeline ";

// The timeline of "2)"; 0: that is none.
std::uint32_t parse_timeline(std::string_view text) {
    if (!text.ends_with(')')) return 0;
    const auto line = parse_u64(text.substr(0, text.size() - 1));
    const bool fits = line && *line <= std::numeric_limits<std::uint32_t>::max();
    return fits ? static_cast<std::uint32_t>(*line) : 0;
}

}  // namespace

std::string wal_point_text(const LogPoint& point) {
    const auto text = to_text(Lsn{point.at});
    return point.line == 0 ? text : fmt::format("{}{}{})", text, kBeforeLine, point.line);
}

Result<LogPoint> parse_wal_point(std::string_view text) {
    const auto before = text.find(kBeforeLine);
    const auto lsn = parse_lsn(text.substr(0, before));
    const bool has_line = before != std::string_view::npos;
    const auto line = has_line ? parse_timeline(text.substr(before + kBeforeLine.size())) : 0;
    if (lsn.ok() && has_line == (line != 0)) return LogPoint{line, lsn->value};
    return with_hint(fail(Code::usage, "'{}' is not a WAL position", printable(text)),
                     "write it as SELECT pg_current_wal_lsn() shows it: 0/2000028; on an older "
                     "timeline as list shows it: '0/2000028 (timeline 1)'");
}

}  // namespace asb
