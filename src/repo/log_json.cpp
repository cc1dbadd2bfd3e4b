#include "repo/log_json.hpp"

namespace asb {

Json to_json(const LogRange& range) {
    return {{"line", line_text(range.line)},
            {"start", point_text(range.start)},
            {"end", point_text(range.end)}};
}

Json to_json(const LogBranch& branch) {
    return {{"line", line_text(branch.line)},
            {"parent", line_text(branch.parent)},
            {"at", point_text(branch.at)}};
}

Result<LogRange> parse_range(const Json& object, std::string_view what) {
    LogFields fields(object, what);
    const LogRange range{
        .line = fields.line("line"), .start = fields.point("start"), .end = fields.point("end")};
    if (range.end < range.start) fields.bad("end");
    ASB_CHECK(fields.status());
    return range;
}

Result<LogBranch> parse_branch(const Json& object, std::string_view what) {
    LogFields fields(object, what);
    const LogBranch branch{
        .line = fields.line("line"), .parent = fields.line("parent"), .at = fields.point("at")};
    if (branch.parent >= branch.line) fields.bad("parent");
    ASB_CHECK(fields.status());
    return branch;
}

}  // namespace asb
