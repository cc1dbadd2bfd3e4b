#include "repo/line_history.hpp"

#include "base/text.hpp"
#include "repo/json_fields.hpp"

namespace asb {
namespace {

constexpr std::size_t kBranchesMax = 100;  // as in a manifest

Json to_json(const LogBranch& branch) {
    return {{"line", line_text(branch.line)},
            {"parent", line_text(branch.parent)},
            {"at", point_text(branch.at)}};
}

Result<LogBranch> parse_branch(const Json& object, std::string_view what) {
    Fields fields(object, what);
    const auto line = parse_line(fields.text("line"));
    const auto parent = parse_line(fields.text("parent"));
    const auto at = parse_point(fields.text("at"));
    if (!line || !parent || !at || *parent >= *line) fields.bad("branches");
    ASB_CHECK(fields.status());
    return LogBranch{.line = *line, .parent = *parent, .at = *at};
}

}  // namespace

std::string to_text(const LineHistory& history) {
    Json document = {{"branches", Json::array()}, {"text_hex", to_hex(as_bytes(history.text))}};
    for (const auto& branch : history.branches) document["branches"].push_back(to_json(branch));
    return canonical(document) + "\n";
}

Result<LineHistory> parse_line_history(std::string_view text, std::string_view what) {
    ASB_TRY(const auto document, parse_json(text, what));
    Fields fields(document, what);
    const auto branches = fields.array("branches");
    auto bytes = parse_hex(fields.text("text_hex"));
    if (!bytes) fields.bad("text_hex");
    if (branches.size() > kBranchesMax) fields.bad("branches");
    ASB_CHECK(fields.status());
    LineHistory history{.branches = {}, .text = std::string(as_text(*bytes))};
    for (const auto& item : branches) {
        ASB_TRY(auto branch, parse_branch(item, what));
        history.branches.push_back(branch);
    }
    return history;
}

}  // namespace asb
