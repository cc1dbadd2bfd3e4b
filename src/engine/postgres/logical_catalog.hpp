#pragma once
// Why this exists: what belongs to a database but is in no dump of it (encoding, locale, owner,
// grants, settings, comment) and the roles of the server are kept in one document beside the dumps.

#include <string>
#include <vector>

#include "engine/postgres/swap_properties.hpp"
#include "engine/postgres/swap_role_list.hpp"

namespace asb::postgres {

struct DatabaseDescription {
    std::string name;
    DatabaseProperties properties;
    std::vector<std::string> tablespaces;  // that its relations use, pg_default left out
    bool has_public = true;                // the schema of that name
};

// Of the database that `connection` is on.
Result<DatabaseDescription> describe_database(Connection& connection, const std::string& name);

struct LogicalCatalog {
    std::vector<DatabaseDescription> databases;
    RoleList roles;
};

// databases.json: canonical JSON, {"version":1, ...}; docs/FORMAT.md.
std::string to_text(const LogicalCatalog& catalog);
// `damaged` for what to_text does not write.
Result<LogicalCatalog> parse_catalog(std::string_view text);

}  // namespace asb::postgres
