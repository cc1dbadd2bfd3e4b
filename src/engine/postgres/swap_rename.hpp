#pragma once
// Why this exists: the one short step in which restored databases take the places of the old ones:
// all renames in one transaction, so that at every moment each name leads to a whole database.

#include <optional>
#include <string>
#include <vector>

#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

struct Exchange {
    std::string database;                      // the name that users know
    std::string copy;                          // the restored one, which gets it
    std::string aside;                         // what the old one will be called
    Occupancy occupancy = Occupancy::missing;  // of `database` beforehand
    std::optional<std::string> comment = {};   // that the restored one gets in the same step
};

// Renames all of them in one transaction, while the sessions on the old databases are ended again
// and again: a rename locks its database first, so that no new session gets in, then waits up to
// 5 s for the others to leave (CountOtherDBBackends). `database` when it does not come about:
// then nothing has changed.
Status exchange_databases(TargetServer& target, const std::vector<Exchange>& exchanges,
                          const StopToken& stop);

}  // namespace asb::postgres
