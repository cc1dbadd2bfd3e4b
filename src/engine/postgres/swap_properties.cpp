#include "engine/postgres/swap_properties.hpp"

#include "engine/postgres/swap_settings.hpp"

namespace asb::postgres {
namespace {

constexpr int kVersion16 = 160000;
constexpr int kVersion17 = 170000;

std::optional<std::string> optional_cell(const PgResult& rows, int column) {
    if (is_null(rows, 0, column)) return std::nullopt;
    return std::string(cell(rows, 0, column));
}

Status read_grants(Connection& source, std::span<const std::string> name,
                   DatabaseProperties& properties) {
    ASB_TRY(const auto rows,
            source.query_params(
                "SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, "
                "a.privilege_type, a.is_grantable FROM pg_database d, aclexplode(d.datacl) a WHERE "
                "d.datname = $1 ORDER BY 1, 2",
                name));
    for (int row = 0; row < PQntuples(rows.get()); ++row)
        properties.grants.push_back({std::string(cell(rows, row, 0)),
                                     std::string(cell(rows, row, 1)), cell(rows, row, 2) == "t"});
    return {};
}

Status read_settings(Connection& source, std::span<const std::string> name,
                     DatabaseProperties& properties) {
    ASB_TRY(const auto rows,
            source.query_params("SELECT coalesce(r.rolname, ''), unnest(s.setconfig) FROM "
                                "pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
                                "LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = $1 "
                                "AND (s.setrole = 0 OR r.rolname IS NOT NULL) ORDER BY 1, 2",
                                name));
    for (int row = 0; row < PQntuples(rows.get()); ++row)
        properties.settings.push_back(
            {std::string(cell(rows, row, 0)), std::string(cell(rows, row, 1))});
    return {};
}

std::string locale_clause(const Connection& target, const DatabaseProperties& properties) {
    if (properties.provider == 'c') return " LOCALE_PROVIDER libc";
    const bool icu = properties.provider == 'i';
    std::string sql = icu ? " LOCALE_PROVIDER icu" : " LOCALE_PROVIDER builtin";
    if (properties.locale)
        sql +=
            (icu ? " ICU_LOCALE " : " BUILTIN_LOCALE ") + target.quoted_literal(*properties.locale);
    if (properties.icu_rules) sql += " ICU_RULES " + target.quoted_literal(*properties.icu_rules);
    return sql;
}

std::string grant_statement(const Connection& target, const std::string& copy,
                            const DatabaseProperties::Grant& grant) {
    return fmt::format("GRANT {} ON DATABASE {} TO {}{}", grant.privilege,
                       target.quoted_identifier(copy),
                       grant.grantee.empty() ? "PUBLIC" : target.quoted_identifier(grant.grantee),
                       grant.grantable ? " WITH GRANT OPTION" : "");
}

std::vector<std::string> property_statements(const Connection& target, const std::string& copy,
                                             const DatabaseProperties& properties) {
    const auto name = target.quoted_identifier(copy);
    std::vector<std::string> statements;
    if (properties.has_grants) {
        statements.push_back(fmt::format("REVOKE ALL ON DATABASE {} FROM PUBLIC", name));
        statements.push_back(fmt::format("REVOKE ALL ON DATABASE {} FROM {}", name,
                                         target.quoted_identifier(properties.owner)));
        for (const auto& grant : properties.grants)
            statements.push_back(grant_statement(target, copy, grant));
    }
    for (const auto& setting : properties.settings) {
        const auto clause = set_clause(target, setting.text);
        statements.push_back(setting.role.empty()
                                 ? fmt::format("ALTER DATABASE {} {}", name, clause)
                                 : fmt::format("ALTER ROLE {} IN DATABASE {} {}",
                                               target.quoted_identifier(setting.role), name,
                                               clause));
    }
    statements.push_back(
        fmt::format("ALTER DATABASE {} CONNECTION LIMIT {}", name, properties.connection_limit));
    return statements;
}

}  // namespace

Result<DatabaseProperties> read_properties(Connection& source, const std::string& database) {
    const int version = source.server_version();
    const std::vector<std::string> name{database};
    ASB_TRY(const auto rows,
            source.query_params(
                fmt::format("SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), "
                            "d.datcollate, d.datctype, d.datlocprovider, {}, {}, d.datconnlimit, "
                            "t.spcname, shobj_description(d.oid, 'pg_database'), d.datacl IS NOT "
                            "NULL FROM pg_database d JOIN pg_tablespace t ON t.oid = "
                            "d.dattablespace WHERE d.datname = $1",
                            version >= kVersion17 ? "d.datlocale" : "d.daticulocale",
                            version >= kVersion16 ? "d.daticurules" : "NULL"),
                name));
    if (PQntuples(rows.get()) != 1)
        return fail(Code::not_found, "the backup holds no database \"{}\"", database);
    DatabaseProperties properties;
    properties.owner = cell(rows, 0, 0);
    properties.encoding = cell(rows, 0, 1);
    properties.collate = cell(rows, 0, 2);
    properties.ctype = cell(rows, 0, 3);
    properties.provider = cell(rows, 0, 4).front();
    properties.locale = optional_cell(rows, 5);
    properties.icu_rules = optional_cell(rows, 6);
    properties.connection_limit = cell(rows, 0, 7);
    properties.tablespace = cell(rows, 0, 8);
    properties.comment = optional_cell(rows, 9);
    properties.has_grants = cell(rows, 0, 10) == "t";
    ASB_CHECK(read_grants(source, name, properties));
    ASB_CHECK(read_settings(source, name, properties));
    return properties;
}

std::string create_statement(const Connection& target, const std::string& copy,
                             const DatabaseProperties& properties, bool keep_tablespace) {
    auto sql = fmt::format(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} "
        "LC_CTYPE {}{} OWNER {}",
        target.quoted_identifier(copy), target.quoted_literal(properties.encoding),
        target.quoted_literal(properties.collate), target.quoted_literal(properties.ctype),
        locale_clause(target, properties), target.quoted_identifier(properties.owner));
    // Naming the default one would need a right to it that only its owner has.
    if (keep_tablespace && properties.tablespace != "pg_default")
        sql += " TABLESPACE " + target.quoted_identifier(properties.tablespace);
    return sql;
}

Status write_properties(Connection& target, const std::string& copy,
                        const DatabaseProperties& properties) {
    ASB_CHECK(target.execute("BEGIN"));
    for (const auto& statement : property_statements(target, copy, properties)) {
        const auto status = target.execute(statement);
        if (status.ok()) continue;
        static_cast<void>(target.execute("ROLLBACK"));
        return status.error().within("cannot set the database's properties");
    }
    return target.execute("COMMIT");
}

}  // namespace asb::postgres
