#include "engine/postgres/timeline_history.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {
namespace {

Error broken(std::uint32_t timeline) {
    return fail(Code::database, "the history of timeline {} is not as documented", timeline);
}

// "1\t0/3000148\tno recovery target specified"
Result<LogBranch> parse_branch(std::string_view line, std::uint32_t timeline) {
    const auto fields = split(line, '\t');
    const auto parent = fields.size() < 2 ? std::nullopt : parse_u64(trim(fields[0]));
    if (!parent || *parent == 0 || *parent >= timeline) return broken(timeline);
    const auto at = parse_lsn(trim(fields[1]));
    if (!at.ok()) return broken(timeline);
    return LogBranch{
        .line = timeline, .parent = static_cast<std::uint32_t>(*parent), .at = at->value};
}

}  // namespace

Result<std::string> read_timeline_history(Connection& connection, std::uint32_t timeline) {
    ASB_TRY(const PgResult rows, connection.query(fmt::format("TIMELINE_HISTORY {}", timeline)));
    if (PQntuples(rows.get()) != 1 || PQnfields(rows.get()) < 2)
        return fail(Code::database, "the server has no history of timeline {}", timeline);
    return std::string(cell(rows, 0, 1));
}

Result<std::vector<LogBranch>> parse_timeline_history(std::string_view text,
                                                      std::uint32_t timeline) {
    std::vector<LogBranch> branches;
    for (const auto& line : split(text, '\n')) {
        const auto content = trim(std::string_view(line).substr(0, line.find('#')));
        if (content.empty()) continue;
        ASB_TRY(auto branch, parse_branch(content, timeline));
        if (!branches.empty()) {
            if (branch.parent <= branches.back().parent || branch.at < branches.back().at)
                return broken(timeline);
            branches.back().line = branch.parent;
        }
        branches.push_back(branch);
    }
    if (branches.empty() && timeline > 1) return broken(timeline);
    return branches;
}

const LogBranch* branch_from(const std::vector<LogBranch>& branches, std::uint32_t line) {
    const auto found = std::ranges::find(branches, line, &LogBranch::parent);
    return found == branches.end() ? nullptr : &*found;
}

}  // namespace asb
