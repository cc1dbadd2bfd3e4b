#pragma once
// Why this exists: one JSON type, parsed with a Result, and one canonical form: keys sorted, no
// spaces, UTF-8, integers only.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace asb {

using Json = nlohmann::json;

// `damaged` with the byte offset when `text` is not one JSON document. `what` names the document in
// the error.
Result<Json> parse_json(std::string_view text, std::string_view what);
// Canonical bytes: two equal documents have equal bytes. Strings must be UTF-8 (asserted).
std::string canonical(const Json& document);

}  // namespace asb
