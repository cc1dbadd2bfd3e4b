#pragma once
// Why this exists: the users of an auth service's database, their hashes and roles, come back into
// a server that may have users already, one of whom is restoring.

#include <string>
#include <vector>

#include "engine/mongodb/restore_catalog.hpp"
#include "engine/mongodb/restore_scope.hpp"
#include "engine/mongodb/restore_server.hpp"

namespace asb::mongodb {

struct MergedUsers {
    std::uint64_t users = 0;
    std::uint64_t roles = 0;
    std::vector<std::string> incomplete;  // who could not be restored, and why
};

// Merges the users and roles of the backup (the kept collections of `catalog`) into the server's:
// those that it lacks are made, others become what the backup has, none is dropped. The user who is
// connected stays as it is. Roles by createRole/updateRole; users by writing admin.system.users,
// since no command takes a hash: where the server or the role does not allow that, each is named in
// `incomplete`.
Result<MergedUsers> merge_users(MongoConnection& connection, const RestoreCatalog& catalog,
                                const RestoreScope& scope);

// Functions (system.js) of a database: those of the backup are stored, others stay. How many.
Result<std::uint64_t> merge_functions(MongoConnection& connection, const RestoreCatalog& catalog);

}  // namespace asb::mongodb
