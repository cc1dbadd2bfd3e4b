#include "engine/postgres/swap_roles.hpp"

#include <set>

#include "base/text.hpp"
#include "engine/postgres/swap_settings.hpp"

namespace asb::postgres {
namespace {

using Names = std::set<std::string, std::less<>>;

Result<Names> names_on(Connection& connection) {
    ASB_TRY(const auto rows, connection.query("SELECT rolname FROM pg_roles"));
    Names names;
    for (int row = 0; row < PQntuples(rows.get()); ++row) names.emplace(cell(rows, row, 0));
    return names;
}

std::string yes_or_no(bool yes, const char* attribute) {
    return fmt::format(" {}{}", yes ? "" : "NO", attribute);
}

// One copying of roles; holds the session for its length.
class RoleCopy {
  public:
    RoleCopy(const RoleList& list, TargetServer& target)
        : list_(list), server_(target), target_(target.maintenance()) {}

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
        for (const auto& membership : list_.memberships) ASB_CHECK(copy_membership(membership));
        ASB_CHECK(copy_settings());
        return server_.superuser() ? Status() : borrow_memberships();
    }

    Status create_roles() {
        for (const auto& role : list_.roles) {
            backed_up_.insert(role.name);
            if (existing_.contains(role.name)) {
                result_.kept.push_back(role.name);
                continue;
            }
            ASB_CHECK(target_.execute(create_statement(role)));
            ASB_CHECK(copy_comment(role));
            created_.insert(role.name);
            result_.created.push_back(role.name);
            if (!list_.passwords && role.login)
                result_.notes.push_back(
                    fmt::format("role \"{}\" was created without its password, which the backup "
                                "does not hold: ALTER ROLE {} PASSWORD '...';",
                                role.name, identifier(role.name)));
        }
        return {};
    }

    std::string create_statement(const RoleList::Role& role) {
        auto sql = "CREATE ROLE " + identifier(role.name) + " WITH";
        sql += privileged(role, role.superuser, "SUPERUSER");
        sql += yes_or_no(role.inherit, "INHERIT");
        sql += yes_or_no(role.create_role, "CREATEROLE");
        sql += yes_or_no(role.create_database, "CREATEDB");
        sql += yes_or_no(role.login, "LOGIN");
        sql += privileged(role, role.replication, "REPLICATION");
        sql += privileged(role, role.bypass_rls, "BYPASSRLS");
        sql += " CONNECTION LIMIT " + role.connection_limit;
        if (role.password) sql += " PASSWORD " + target_.quoted_literal(*role.password);
        if (role.valid_until) sql += " VALID UNTIL " + target_.quoted_literal(*role.valid_until);
        return sql;
    }

    // An attribute that only a superuser may give; without one it is named instead.
    std::string privileged(const RoleList::Role& role, bool yes, const char* attribute) {
        if (server_.superuser()) return yes_or_no(yes, attribute);
        if (yes)
            result_.notes.push_back(
                fmt::format("role \"{}\" was created without {}: only a superuser may give it",
                            role.name, attribute));
        return "";
    }

    Status copy_comment(const RoleList::Role& role) {
        if (!role.comment) return {};
        return target_.execute("COMMENT ON ROLE " + identifier(role.name) + " IS " +
                               target_.quoted_literal(*role.comment));
    }

    Status copy_membership(const RoleList::Membership& given) {
        if (!created_.contains(given.role) && !created_.contains(given.member)) return {};
        if (!created_.contains(given.role) && !existing_.contains(given.role)) {
            result_.notes.push_back(fmt::format(
                "role \"{}\" does not become a member of \"{}\", which this server does not have",
                given.member, given.role));
            return {};
        }
        auto sql = fmt::format("GRANT {} TO {}", identifier(given.role), identifier(given.member));
        if (given.has_options)
            sql += fmt::format(" WITH ADMIN {}, INHERIT {}, SET {}", truth(given.admin),
                               truth(given.inherit), truth(given.set));
        else if (given.admin)
            sql += " WITH ADMIN OPTION";
        return target_.execute(sql);
    }

    Status copy_settings() {
        for (const auto& setting : list_.settings) {
            if (!created_.contains(setting.role)) continue;
            ASB_CHECK(target_.execute("ALTER ROLE " + identifier(setting.role) + " " +
                                      set_clause(target_, setting.text)));
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
    static const char* truth(bool yes) { return yes ? "TRUE" : "FALSE"; }

    const RoleList& list_;  // the caller's, for the copying
    TargetServer& server_;
    Connection& target_;
    Names existing_;   // on the target, before
    Names backed_up_;  // in the backup
    Names created_;
    CopiedRoles result_;
};

}  // namespace

Result<CopiedRoles> copy_roles(const RoleList& list, TargetServer& target) {
    return RoleCopy(list, target).run();
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
