#pragma once
// Why this exists: `hold`: a backup that somebody needs stays, whatever the policy says, until the
// hold is lifted or ends.

#include <string>

#include "ops/context.hpp"

namespace asb {

struct HoldRequest {
    enum class Action { add, remove, list } action = Action::list;
    std::string backup;  // add: a name, or latest
    std::string reason;
    std::string owner;
    std::string until;  // RFC 3339; empty: until it is lifted
    std::string id;     // remove
};

// Of every destination. `not_found` when there is no such backup or hold anywhere; with several
// destinations, one that fails is named (`incomplete`).
Result<Report> run_hold(const OpsContext& context, const HoldRequest& request);

}  // namespace asb
