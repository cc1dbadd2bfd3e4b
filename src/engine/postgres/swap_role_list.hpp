#pragma once
// Why this exists: roles come from a running private server or from a stored document; what is
// known of them is the same plain list, so that creating them is written once.

#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "engine/postgres/connection.hpp"

namespace asb::postgres {

struct RoleList {
    struct Role {
        std::string name;
        bool superuser = false;
        bool inherit = true;
        bool create_role = false;
        bool create_database = false;
        bool login = false;
        bool replication = false;
        bool bypass_rls = false;
        std::string connection_limit;
        std::optional<std::string> password = {};  // the hash, as pg_authid has it
        std::optional<std::string> valid_until = {};
        std::optional<std::string> comment = {};
    };
    struct Membership {
        std::string role;
        std::string member;
        bool admin = false;
        bool has_options = false;  // the next two are known (version 16)
        bool inherit = false;
        bool set = false;
    };
    struct Setting {
        std::string role;
        std::string text;  // "name=value"
    };
    std::vector<Role> roles;
    std::vector<Membership> memberships;
    std::vector<Setting> settings;
    bool passwords = true;  // false: they could not be read
};

// Whether this session may read password hashes.
Result<bool> may_read_passwords(Connection& connection);

// Every role but the server's own (pg_...), by name, with memberships and settings. Without
// `passwords` it needs no right.
Result<RoleList> read_roles(Connection& connection, bool passwords);

Json to_json(const RoleList& list);
// `damaged` for what to_json does not write.
Result<RoleList> role_list_from(const Json& document);

}  // namespace asb::postgres
