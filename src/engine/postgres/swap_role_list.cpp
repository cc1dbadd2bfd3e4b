#include "engine/postgres/swap_role_list.hpp"

#include "engine/postgres/logical_json.hpp"

namespace asb::postgres {
namespace {

constexpr const char* kSettingsQuery =
    "SELECT r.rolname, unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = "
    "s.setrole WHERE s.setdatabase = 0 ORDER BY 1, 2";

std::string roles_query(bool passwords) {
    return fmt::format(
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, "
        "rolreplication, rolbypassrls, rolconnlimit, {}, rolvaliduntil, shobj_description(oid, "
        "'pg_authid') FROM {} WHERE rolname !~ '^pg_' ORDER BY rolname",
        passwords ? "rolpassword" : "NULL", passwords ? "pg_authid" : "pg_roles");
}

bool truth(const PgResult& rows, int row, int column) {
    return cell(rows, row, column) == "t";
}

std::optional<std::string> optional_cell(const PgResult& rows, int row, int column) {
    if (is_null(rows, row, column)) return std::nullopt;
    return std::string(cell(rows, row, column));
}

RoleList::Role role_in(const PgResult& rows, int row) {
    return {.name = std::string(cell(rows, row, 0)),
            .superuser = truth(rows, row, 1),
            .inherit = truth(rows, row, 2),
            .create_role = truth(rows, row, 3),
            .create_database = truth(rows, row, 4),
            .login = truth(rows, row, 5),
            .replication = truth(rows, row, 6),
            .bypass_rls = truth(rows, row, 7),
            .connection_limit = std::string(cell(rows, row, 8)),
            .password = optional_cell(rows, row, 9),
            .valid_until = optional_cell(rows, row, 10),
            .comment = optional_cell(rows, row, 11)};
}

Status read_memberships(Connection& connection, RoleList& list) {
    // Version 16 brought the two further options.
    const bool options = connection.server_version() >= 160000;
    ASB_TRY(const auto rows,
            connection.query(fmt::format(
                "SELECT r.rolname, m.rolname, a.admin_option{} FROM pg_auth_members a JOIN "
                "pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member ORDER BY 1, 2",
                options ? ", a.inherit_option, a.set_option" : "")));
    for (int row = 0; row < PQntuples(rows.get()); ++row)
        list.memberships.push_back({.role = std::string(cell(rows, row, 0)),
                                    .member = std::string(cell(rows, row, 1)),
                                    .admin = truth(rows, row, 2),
                                    .has_options = options,
                                    .inherit = options && truth(rows, row, 3),
                                    .set = options && truth(rows, row, 4)});
    return {};
}

}  // namespace

Result<bool> may_read_passwords(Connection& connection) {
    ASB_TRY(const auto rows, connection.query("SELECT has_table_privilege('pg_catalog.pg_authid', "
                                              "'SELECT')"));
    return truth(rows, 0, 0);
}

Result<RoleList> read_roles(Connection& connection, bool passwords) {
    RoleList list;
    list.passwords = passwords;
    ASB_TRY(const auto roles, connection.query(roles_query(passwords)));
    for (int row = 0; row < PQntuples(roles.get()); ++row)
        list.roles.push_back(role_in(roles, row));
    ASB_CHECK(read_memberships(connection, list));
    ASB_TRY(const auto settings, connection.query(kSettingsQuery));
    for (int row = 0; row < PQntuples(settings.get()); ++row)
        list.settings.push_back(
            {std::string(cell(settings, row, 0)), std::string(cell(settings, row, 1))});
    return list;
}

Json to_json(const RoleList& list) {
    Json document = {{"passwords", list.passwords},
                     {"roles", Json::array()},
                     {"memberships", Json::array()},
                     {"settings", Json::array()}};
    for (const auto& role : list.roles) {
        Json item = {{"name", json_text(role.name)},
                     {"superuser", role.superuser},
                     {"inherit", role.inherit},
                     {"create_role", role.create_role},
                     {"create_database", role.create_database},
                     {"login", role.login},
                     {"replication", role.replication},
                     {"bypass_rls", role.bypass_rls},
                     {"connection_limit", role.connection_limit}};
        put_optional(item, "password", role.password);
        put_optional(item, "valid_until", role.valid_until);
        put_optional(item, "comment", role.comment);
        document["roles"].push_back(std::move(item));
    }
    for (const auto& membership : list.memberships) {
        Json item = {{"role", json_text(membership.role)},
                     {"member", json_text(membership.member)},
                     {"admin", membership.admin}};
        if (membership.has_options) {
            item["inherit"] = membership.inherit;
            item["set"] = membership.set;
        }
        document["memberships"].push_back(std::move(item));
    }
    for (const auto& setting : list.settings)
        document["settings"].push_back(
            {{"role", json_text(setting.role)}, {"text", json_text(setting.text)}});
    return document;
}

Result<RoleList> role_list_from(const Json& document) {
    const JsonReader reader(document, "roles");
    RoleList list;
    list.passwords = reader.flag("passwords");
    for (const auto& item : reader.items("roles")) {
        list.roles.push_back({.name = item.text("name"),
                              .superuser = item.flag("superuser"),
                              .inherit = item.flag("inherit"),
                              .create_role = item.flag("create_role"),
                              .create_database = item.flag("create_database"),
                              .login = item.flag("login"),
                              .replication = item.flag("replication"),
                              .bypass_rls = item.flag("bypass_rls"),
                              .connection_limit = item.text("connection_limit"),
                              .password = item.optional_text("password"),
                              .valid_until = item.optional_text("valid_until"),
                              .comment = item.optional_text("comment")});
        if (list.roles.back().name.empty()) return reader.damaged("a role without a name");
        if (const auto& limit = list.roles.back().connection_limit;
            limit.empty() || limit.find_first_not_of("-0123456789") != std::string::npos)
            return reader.damaged("a role without a connection limit");
    }
    for (const auto& item : reader.items("memberships"))
        list.memberships.push_back({.role = item.text("role"),
                                    .member = item.text("member"),
                                    .admin = item.flag("admin"),
                                    .has_options = item.has("set"),
                                    .inherit = item.flag("inherit"),
                                    .set = item.flag("set")});
    for (const auto& item : reader.items("settings"))
        list.settings.push_back({item.text("role"), item.text("text")});
    return list;
}

}  // namespace asb::postgres
