#include "engine/postgres/logical_catalog.hpp"

#include "engine/postgres/logical_json.hpp"

namespace asb::postgres {
namespace {

constexpr int kCatalogVersion = 1;

Json to_json(const DatabaseDescription& database) {
    const auto& properties = database.properties;
    Json item = {{"name", json_text(database.name)},
                 {"owner", json_text(properties.owner)},
                 {"encoding", properties.encoding},
                 {"collate", properties.collate},
                 {"ctype", properties.ctype},
                 {"provider", std::string(1, properties.provider)},
                 {"connection_limit", properties.connection_limit},
                 {"tablespace", json_text(properties.tablespace)},
                 {"tablespaces", Json::array()},
                 {"has_public", database.has_public},
                 {"has_grants", properties.has_grants},
                 {"grants", Json::array()},
                 {"settings", Json::array()}};
    put_optional(item, "locale", properties.locale);
    put_optional(item, "icu_rules", properties.icu_rules);
    put_optional(item, "comment", properties.comment);
    for (const auto& name : database.tablespaces) item["tablespaces"].push_back(json_text(name));
    for (const auto& grant : properties.grants)
        item["grants"].push_back({{"grantee", json_text(grant.grantee)},
                                  {"privilege", grant.privilege},
                                  {"grantable", grant.grantable}});
    for (const auto& setting : properties.settings)
        item["settings"].push_back(
            {{"role", json_text(setting.role)}, {"text", json_text(setting.text)}});
    return item;
}

// Nothing of the document goes into a statement unquoted but what these two let through.
bool is_word(const std::string& text) {
    return !text.empty() && text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == text.npos;
}
bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("-0123456789") == text.npos;
}

Result<DatabaseDescription> description_from(const JsonReader& item) {
    DatabaseDescription database;
    auto& properties = database.properties;
    database.name = item.text("name");
    properties.owner = item.text("owner");
    properties.encoding = item.text("encoding");
    properties.collate = item.text("collate");
    properties.ctype = item.text("ctype");
    const auto provider = item.text("provider");
    properties.connection_limit = item.text("connection_limit");
    properties.tablespace = item.text("tablespace");
    properties.locale = item.optional_text("locale");
    properties.icu_rules = item.optional_text("icu_rules");
    properties.comment = item.optional_text("comment");
    properties.has_grants = item.flag("has_grants");
    database.tablespaces = item.texts("tablespaces");
    database.has_public = item.flag("has_public");
    for (const auto& grant : item.items("grants"))
        properties.grants.push_back(
            {grant.text("grantee"), grant.text("privilege"), grant.flag("grantable")});
    for (const auto& setting : item.items("settings"))
        properties.settings.push_back({setting.text("role"), setting.text("text")});
    if (database.name.empty()) return item.damaged("a database without a name");
    if (provider.size() != 1 || !is_number(properties.connection_limit))
        return item.damaged("a database whose properties are not as written");
    for (const auto& grant : properties.grants)
        if (!is_word(grant.privilege)) return item.damaged("a grant that is none");
    properties.provider = provider.front();
    return database;
}

}  // namespace

Result<DatabaseDescription> describe_database(Connection& connection, const std::string& name) {
    DatabaseDescription database;
    database.name = name;
    ASB_TRY(database.properties, read_properties(connection, name));
    ASB_TRY(const auto rows,
            connection.query("SELECT spcname FROM pg_tablespace WHERE oid IN (SELECT reltablespace "
                             "FROM pg_class UNION SELECT dattablespace FROM pg_database WHERE "
                             "datname = current_database()) AND spcname NOT IN ('pg_default', "
                             "'pg_global') ORDER BY 1"));
    for (int row = 0; row < PQntuples(rows.get()); ++row)
        database.tablespaces.emplace_back(cell(rows, row, 0));
    ASB_TRY(const auto has_public, connection.query("SELECT EXISTS (SELECT FROM pg_namespace WHERE "
                                                    "nspname = 'public')"));
    database.has_public = cell(has_public, 0, 0) == "t";
    return database;
}

std::string to_text(const LogicalCatalog& catalog) {
    Json document = {{"version", kCatalogVersion},
                     {"databases", Json::array()},
                     {"roles", to_json(catalog.roles)}};
    for (const auto& database : catalog.databases)
        document["databases"].push_back(to_json(database));
    return canonical(document);
}

Result<LogicalCatalog> parse_catalog(std::string_view text) {
    ASB_TRY(const auto document, parse_json(text, "the backup's databases.json"));
    if (!document.is_object() || document.value("version", Json()) != Json(kCatalogVersion))
        return with_hint(fail(Code::damaged,
                              "databases.json of the backup is of a version that "
                              "this program does not know"),
                         "use a newer release of auth-service-backup");
    LogicalCatalog catalog;
    for (const auto& item : JsonReader(document, "databases").items("databases")) {
        ASB_TRY(auto database, description_from(item));
        catalog.databases.push_back(std::move(database));
    }
    if (!document.contains("roles"))
        return fail(Code::damaged, "databases.json of the backup names no roles");
    ASB_TRY(catalog.roles, role_list_from(document["roles"]));
    return catalog;
}

}  // namespace asb::postgres
