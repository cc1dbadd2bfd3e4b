#pragma once
// Why this exists: a PostgreSQL server refuses to run as root and to open files that are not its
// own, so a restore run by root hands everything that it makes to the account of the server.

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.hpp"

namespace asb::postgres {

struct Owner {
    std::string user;
    uid_t uid = 0;
    gid_t gid = 0;
};

// The account `user` when we are root; nullopt when we are not (files stay our own), or when there
// is no such account. Never root itself.
std::optional<Owner> find_owner(const std::string& user);

// Hands an open file or folder over; nothing to do without an owner.
Status give_to(const std::optional<Owner>& owner, int fd, const std::string& path);

// The first folder on the way to `path` that `owner` may not enter (execute permission), or empty.
// What does not exist yet is not looked at. Without an owner always empty.
std::string closed_folder(const std::optional<Owner>& owner, const std::string& path);

}  // namespace asb::postgres
