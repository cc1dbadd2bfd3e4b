#pragma once
// Why this exists: all reads of one run go to one member, so that its oplog covers all of them;
// this chooses it: a secondary that is not too far behind, else the primary, or what the URL says.

#include "base/log.hpp"
#include "engine/mongodb/client.hpp"

namespace asb {

struct DumpMember {
    MongoUrl url;  // leads to this member only
    MongoConnection connection;
    MongoFacts facts;
    std::chrono::seconds lag{0};  // of a secondary behind the primary
};

// `database` when there is no such member.
Result<DumpMember> choose_dump_member(const MongoUrl& url, std::chrono::seconds lag_max,
                                      const StopToken& stop, Log& log);

}  // namespace asb
