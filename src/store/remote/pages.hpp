#pragma once
// Why this exists: a listing comes in pages, and everybody who lists wants all of them.

#include <functional>
#include <string_view>

#include "store/remote/object_client.hpp"

namespace asb::remote {

// Calls `visit` for each object whose name begins with `prefix`, in the listing's order, one page
// in memory at a time. Ends with the first error; `store` when the listing does not get on.
Status visit_found(ObjectClient& client, std::string_view prefix,
                   const std::function<Status(const Found&)>& visit);

}  // namespace asb::remote
