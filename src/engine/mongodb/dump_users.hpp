#pragma once
// Why this exists: users and roles are the payload of an auth service's backup. mongod keeps them
// in collections that a backup reads as any other; compatible servers show them by commands only.

#include <optional>
#include <string>
#include <vector>

#include "engine/mongodb/client.hpp"

namespace asb {

// Whole documents, one after the other, as a .bson file has them.
using BsonFile = std::vector<std::byte>;

struct UsersByCommand {
    BsonFile users;  // as admin.system.users holds them
    BsonFile roles;  // as admin.system.roles holds them
};

struct UsersAnswer {
    std::optional<UsersByCommand> by_command;  // absent: the collections show what there is
    std::string missing;  // what of the users is not to be had at all, for people; or empty
};

// How the users of `database` (empty: all of `databases`) are to be had: from the collections when
// they show credentials, else by usersInfo and rolesInfo.
Result<UsersAnswer> ask_for_users(MongoConnection& connection, const std::string& database,
                                  const std::vector<std::string>& databases);

}  // namespace asb
