#include "engine/postgres/swap_roles.hpp"

#include <set>

#include "base/text.hpp"
#include "engine/postgres/swap_settings.hpp"

namespace asb::postgres {
namespace {

using Names = std::set<std::string, std::less<>>;

constexpr const char* kRolesQuery =
    "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, "
    "rolreplication, rolbypassrls, rolconnlimit, rolpassword, rolvaliduntil, "
    "shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY rolname";
constexpr const char* kSettingsQuery =
    "SELECT r.rolname, unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = "
    "s.setrole WHERE s.setdatabase = 0 ORDER BY 1, 2";

enum Column {
    name_column,
    super_column,
    inherit_column,
    createrole_column,
    createdb_column,
    login_column,
    replication_column,
    bypassrls_column,
    limit_column,
    password_column,
    until_column,
    comment_column
};

Result<Names> names_on(Connection& connection) {
    ASB_TRY(const auto rows, connection.query("SELECT rolname FROM pg_roles"));
    Names names;
    for (int row = 0; row < PQntuples(rows.get()); ++row) names.emplace(cell(rows, row, 0));
    return names;
}

std::string yes_or_no(const PgResult& rows, int row, int column, const char* attribute) {
    return fmt::format(" {}{}", cell(rows, row, column) == "t" ? "" : "NO", attribute);
}

// One copying of roles; holds both sessions for its length.
class RoleCopy {
  public:
    RoleCopy(Connection& source, TargetServer& target, std::string own_role)
        : source_(source),
          server_(target),
          target_(target.maintenance()),
          own_role_(std::move(own_role)) {}

    Result<CopiedRoles> run() {
        ASB_TRY(existing_, names_on(target_));
        ASB_CHECK(target_.execute("BEGIN"));
        auto status = copy_everything();
        if (status.ok()) status = target_.execute("COMMIT");
        if (status.ok()) return std::move(result_);
        static_cast<void>(target_.execute("ROLLBACK"));
        return status.error().within("cannot copy the roles");
    }

  private:
    Status copy_everything() {
        ASB_CHECK(create_roles());
        ASB_CHECK(copy_memberships());
        ASB_CHECK(copy_settings());
        return server_.superuser() ? Status() : borrow_memberships();
    }

    Status create_roles() {
        ASB_TRY(const auto rows, source_.query(kRolesQuery));
        for (int row = 0; row < PQntuples(rows.get()); ++row) {
            const std::string name(cell(rows, row, name_column));
            if (name == own_role_) continue;
            backed_up_.insert(name);
            if (existing_.contains(name)) {
                result_.kept.push_back(name);
                continue;
            }
            ASB_CHECK(target_.execute(create_statement(rows, row)));
            ASB_CHECK(copy_comment(rows, row));
            created_.insert(name);
            result_.created.push_back(name);
        }
        return {};
    }

    std::string create_statement(const PgResult& rows, int row) {
        auto sql = "CREATE ROLE " + identifier(cell(rows, row, name_column)) + " WITH";
        sql += privileged(rows, row, super_column, "SUPERUSER");
        sql += yes_or_no(rows, row, inherit_column, "INHERIT");
        sql += yes_or_no(rows, row, createrole_column, "CREATEROLE");
        sql += yes_or_no(rows, row, createdb_column, "CREATEDB");
        sql += yes_or_no(rows, row, login_column, "LOGIN");
        sql += privileged(rows, row, replication_column, "REPLICATION");
        sql += privileged(rows, row, bypassrls_column, "BYPASSRLS");
        sql += fmt::format(" CONNECTION LIMIT {}", cell(rows, row, limit_column));
        if (!is_null(rows, row, password_column))
            sql += " PASSWORD " + target_.quoted_literal(cell(rows, row, password_column));
        if (!is_null(rows, row, until_column))
            sql += " VALID UNTIL " + target_.quoted_literal(cell(rows, row, until_column));
        return sql;
    }

    // An attribute that only a superuser may give; without one it is named instead.
    std::string privileged(const PgResult& rows, int row, int column, const char* attribute) {
        if (server_.superuser()) return yes_or_no(rows, row, column, attribute);
        if (cell(rows, row, column) == "t")
            result_.notes.push_back(
                fmt::format("role \"{}\" was created without {}: only a superuser may give it",
                            cell(rows, row, name_column), attribute));
        return "";
    }

    Status copy_comment(const PgResult& rows, int row) {
        if (is_null(rows, row, comment_column)) return {};
        return target_.execute("COMMENT ON ROLE " + identifier(cell(rows, row, name_column)) +
                               " IS " + target_.quoted_literal(cell(rows, row, comment_column)));
    }

    Status copy_memberships() {
        // Version 16 brought the two further options.
        const bool options = source_.server_version() >= 160000;
        ASB_TRY(const auto rows,
                source_.query(fmt::format(
                    "SELECT r.rolname, m.rolname, a.admin_option{} FROM pg_auth_members a JOIN "
                    "pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member ORDER BY "
                    "1, 2",
                    options ? ", a.inherit_option, a.set_option" : "")));
        for (int row = 0; row < PQntuples(rows.get()); ++row)
            ASB_CHECK(copy_membership(rows, row, options));
        return {};
    }

    Status copy_membership(const PgResult& rows, int row, bool options) {
        const std::string role(cell(rows, row, 0)), member(cell(rows, row, 1));
        if (!created_.contains(role) && !created_.contains(member)) return {};
        if (!created_.contains(role) && !existing_.contains(role)) {
            result_.notes.push_back(fmt::format(
                "role \"{}\" does not become a member of \"{}\", which this server does not have",
                member, role));
            return {};
        }
        auto sql = fmt::format("GRANT {} TO {}", identifier(role), identifier(member));
        if (options)
            sql += fmt::format(" WITH ADMIN {}, INHERIT {}, SET {}", truth(rows, row, 2),
                               truth(rows, row, 3), truth(rows, row, 4));
        else if (cell(rows, row, 2) == "t")
            sql += " WITH ADMIN OPTION";
        return target_.execute(sql);
    }

    Status copy_settings() {
        ASB_TRY(const auto rows, source_.query(kSettingsQuery));
        for (int row = 0; row < PQntuples(rows.get()); ++row) {
            if (!created_.contains(cell(rows, row, 0))) continue;
            ASB_CHECK(target_.execute("ALTER ROLE " + identifier(cell(rows, row, 0)) + " " +
                                      set_clause(target_, cell(rows, row, 1))));
        }
        return {};
    }

    Status borrow_memberships() {
        const bool options = target_.server_version() >= 160000;
        for (const auto& role : backed_up_) {
            const std::vector<std::string> name{role};
            ASB_TRY(const auto member,
                    target_.query_params("SELECT rolsuper OR pg_has_role(current_user, oid, "
                                         "'USAGE') FROM pg_roles WHERE rolname = $1",
                                         name));
            if (cell(member, 0, 0) == "t") continue;
            ASB_CHECK(target_.execute(fmt::format("GRANT {} TO CURRENT_USER{}", identifier(role),
                                                  options ? " WITH INHERIT TRUE, SET TRUE" : "")));
            result_.borrowed.push_back(role);
        }
        return {};
    }

    [[nodiscard]] std::string identifier(std::string_view name) const {
        return target_.quoted_identifier(name);
    }
    static const char* truth(const PgResult& rows, int row, int column) {
        return cell(rows, row, column) == "t" ? "TRUE" : "FALSE";
    }

    Connection& source_;
    TargetServer& server_;
    Connection& target_;
    std::string own_role_;
    Names existing_;   // on the target, before
    Names backed_up_;  // in the backup
    Names created_;
    CopiedRoles result_;
};

}  // namespace

Result<CopiedRoles> copy_roles(PrivateInstance& source, TargetServer& target) {
    ASB_TRY(auto connection, source.connect(source.maintenance_database()));
    return RoleCopy(connection, target, source.own_role()).run();
}

void return_memberships(Connection& target, CopiedRoles& roles) {
    for (const auto& role : roles.borrowed) {
        const auto status = target.execute(
            fmt::format("REVOKE {} FROM CURRENT_USER", target.quoted_identifier(role)));
        if (!status.ok())
            roles.notes.push_back(fmt::format("warning: the membership in \"{}\" stays: {}", role,
                                              status.error().fact));
    }
    roles.borrowed.clear();
}

void drop_created_roles(Connection& target, const CopiedRoles& roles) {
    for (const auto& role : roles.created)
        static_cast<void>(target.execute("DROP ROLE IF EXISTS " + target.quoted_identifier(role)));
}

}  // namespace asb::postgres
