#pragma once
// Why this exists: each durable step of a remote store is a fail point, and one that a test makes
// fail must look like one that the store made fail.

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "base/fail_point.hpp"
#include "store/remote/object_client.hpp"

namespace asb::remote {

// Passes the fail point `point`; its errno as `space` or `store`. `action` as in "cannot publish".
inline Status pass(std::string_view point, std::string_view action, std::string_view name,
                   const ObjectClient& client) {
    const int error = fail_point(point);
    if (error == 0) return {};
    return with_hint(fail(error == ENOSPC ? Code::space : Code::store, "{} {} in {}: {}", action,
                          name, client.place(), std::generic_category().message(error)),
                     "look at the store, then try again");
}

// The name is taken by a published object.
inline Error taken(std::string_view name, const ObjectClient& client) {
    return with_hint(fail(Code::busy, "{} exists already in {}", name, client.place()),
                     "names are written once: use another, or wait a second for the next");
}

// The outcome of publishing `name`, `busy` in the words of `taken`.
inline Status or_taken(Status status, std::string_view name, const ObjectClient& client) {
    if (status.ok() || status.error().code != Code::busy) return status;
    return taken(name, client);
}

}  // namespace asb::remote
