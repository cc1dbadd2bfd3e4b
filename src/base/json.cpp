#include "base/json.hpp"

namespace asb {

Result<Json> parse_json(std::string_view text, std::string_view what) {
    try {
        return Json::parse(text);
    } catch (const Json::parse_error& error) {
        return fail(Code::damaged, "{} is not valid JSON (at byte {})", what, error.byte);
    } catch (const Json::out_of_range&) {
        return fail(Code::damaged, "{} holds a number that no double can hold", what);
    }
}

std::string canonical(const Json& document) {
    return document.dump();
}

}  // namespace asb
