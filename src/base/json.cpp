#include "base/json.hpp"

namespace asb {

Result<Json> parse_json(std::string_view text, std::string_view what) {
    try {
        return Json::parse(text);
    } catch (const Json::parse_error& error) {
        return fail(Code::damaged, "{} is not valid JSON (at byte {})", what, error.byte);
    }
}

std::string canonical(const Json& document) {
    return document.dump();
}

}  // namespace asb
