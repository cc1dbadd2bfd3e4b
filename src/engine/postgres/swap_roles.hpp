#pragma once
// Why this exists: roles, their passwords and memberships belong to the whole server, not to a
// database; a restored database without them would have owners and grants that nobody is.

#include <string>
#include <vector>

#include "engine/postgres/swap_role_list.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

struct CopiedRoles {
    std::vector<std::string> created;
    std::vector<std::string> kept;  // were there already, and are left as they are
    std::vector<std::string> notes;
    // Roles that the restoring role, not being a superuser, was made a member of, so that it can
    // give them what is theirs.
    std::vector<std::string> borrowed;
};

// Creates on `target` the roles of `list` that it lacks, with attributes, password hashes,
// memberships, settings and comments, in one transaction.
Result<CopiedRoles> copy_roles(const RoleList& list, TargetServer& target);

// Gives back the memberships that were borrowed; failures become notes.
void return_memberships(Connection& target, CopiedRoles& roles);
// After a restore that failed: drops what was created, as far as nothing depends on it.
void drop_created_roles(Connection& target, const CopiedRoles& roles);

}  // namespace asb::postgres
