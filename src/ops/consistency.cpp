#include "ops/consistency.hpp"

#include <algorithm>

namespace asb {

bool is_inconsistent(const Manifest& manifest) {
    return std::ranges::any_of(manifest.engines, [](const Json& facts) {
        return facts.is_object() && facts.value("inconsistent", Json(false)) == Json(true);
    });
}

std::string consistency_line(const Manifest& manifest) {
    if (!is_inconsistent(manifest)) return {};
    return "  NOT CONSISTENT: the database had no oplog; each collection is as it was when it was "
           "read\n";
}

}  // namespace asb
