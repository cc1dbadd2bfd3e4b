#include "store/remote/pages.hpp"

#include <string>

namespace asb::remote {

Status visit_found(ObjectClient& client, std::string_view prefix,
                   const std::function<Status(const Found&)>& visit) {
    std::string next;
    do {
        ASB_TRY(auto page, client.list(prefix, next));
        for (const auto& found : page.found)
            if (std::string_view(found.name).starts_with(prefix)) ASB_CHECK(visit(found));
        if (!page.next.empty() && page.next == next)
            return with_hint(fail(Code::store, "the listing of {} repeats a page", client.place()),
                             "the server does not page through its listings as it should: look at "
                             "its version");
        next = std::move(page.next);
    } while (!next.empty());
    return {};
}

}  // namespace asb::remote
