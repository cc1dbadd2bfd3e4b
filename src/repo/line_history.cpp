#include "repo/line_history.hpp"

#include "base/text.hpp"
#include "repo/log_json.hpp"

namespace asb {
namespace {

constexpr std::size_t kBranchesMax = 100;  // as in a manifest

}  // namespace

std::string to_text(const LineHistory& history) {
    Json document = {{"branches", Json::array()}, {"text_hex", to_hex(as_bytes(history.text))}};
    for (const auto& branch : history.branches) document["branches"].push_back(to_json(branch));
    return canonical(document) + "\n";
}

Result<LineHistory> parse_line_history(std::string_view text, std::string_view what) {
    ASB_TRY(const auto document, parse_json(text, what));
    Fields fields(document, what);
    const auto bytes = parse_hex(fields.text("text_hex"));
    if (!bytes) fields.bad("text_hex");
    LineHistory history;
    ASB_CHECK(parse_list(fields, "branches", what, parse_branch, history.branches));
    if (history.branches.size() > kBranchesMax) fields.bad("branches");
    ASB_CHECK(fields.status());
    history.text = as_text(*bytes);
    return history;
}

}  // namespace asb
