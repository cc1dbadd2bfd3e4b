#include "engine/postgres/swap_check.hpp"

#include <future>
#include <map>

#include "base/text.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {
namespace {

constexpr const char* kRelationsQuery =
    "SELECT c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> "
    "'information_schema' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = "
    "'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 2, 1";

// What is compared, by a name that an operator understands: "table app.users" -> "1000 rows".
using Contents = std::map<std::string, std::string>;

struct Relation {
    char kind = 0;
    std::string name;  // quoted for SQL
};

Result<std::vector<Relation>> list_relations(Connection& connection) {
    ASB_TRY(const auto rows, connection.query(kRelationsQuery, after(kLongStatementTimeout)));
    std::vector<Relation> relations;
    const int count = PQntuples(rows.get());
    relations.reserve(static_cast<std::size_t>(count));
    for (int row = 0; row < count; ++row)
        relations.push_back({cell(rows, row, 0).front(), std::string(cell(rows, row, 1))});
    return relations;
}

std::string kind_name(char kind) {
    switch (kind) {
        case 'r':
            return "table";
        case 'p':
            return "partitioned table";
        case 'i':
            return "index";
        case 'I':
            return "partitioned index";
        case 'S':
            return "sequence";
        case 'v':
            return "view";
        case 'm':
            return "materialised view";
        case 'c':
            return "type";
        case 'f':
            return "foreign table";
        default:
            return fmt::format("relation of kind '{}'", kind);
    }
}

// What is asked of one relation beyond its being there; empty for nothing.
std::string value_query(const Relation& relation) {
    if (relation.kind == 'r' || relation.kind == 'm')
        return fmt::format("SELECT count(*) || ' rows' FROM ONLY {}", relation.name);
    if (relation.kind == 'S')
        return fmt::format(
            "SELECT 'value ' || last_value || CASE WHEN is_called THEN '' ELSE ' "
            "(not used yet)' END FROM {}",
            relation.name);
    return {};
}

Result<Contents> read_contents(Connection& connection) {
    ASB_TRY(const auto relations, list_relations(connection));
    Contents contents;
    for (const auto& relation : relations) {
        auto& value = contents[kind_name(relation.kind) + " " + relation.name];
        const auto query = value_query(relation);
        if (query.empty()) continue;
        ASB_TRY(const auto rows, connection.query(query, after(kLongStatementTimeout)));
        value = cell(rows, 0, 0);
    }
    ASB_TRY(const auto objects, connection.query("SELECT count(*) FROM pg_largeobject_metadata"));
    contents["large objects"] = cell(objects, 0, 0);
    return contents;
}

std::string shown(const std::string& value) {
    return value.empty() ? "there" : value;
}

Status find_difference(const Contents& source, const Contents& copy) {
    for (const auto& [what, value] : source) {
        const auto found = copy.find(what);
        if (found == copy.end())
            return fail(Code::damaged, "{} is missing from the restored database", what);
        if (found->second != value)
            return fail(Code::damaged, "{}: {} in the backup, {} in the restored database", what,
                        shown(value), shown(found->second));
    }
    for (const auto& [what, value] : copy)
        if (!source.contains(what))
            return fail(Code::damaged, "{} is in the restored database but not in the backup",
                        what);
    return {};
}

Compared sum_up(const Contents& contents) {
    Compared sum;
    for (const auto& [what, value] : contents) {
        if (what == "large objects") {
            sum.large_objects = parse_u64(value).value_or(0);
            continue;
        }
        ++sum.relations;
        if (value.starts_with("value ")) ++sum.sequences;
        if (value.ends_with(" rows"))
            sum.rows += parse_u64(std::string_view(value).substr(0, value.find(' '))).value_or(0);
    }
    return sum;
}

}  // namespace

Result<Compared> compare_databases(Connection& source, Connection& copy) {
    // Each counts on its own server: both at once take as long as the slower one.
    auto ours = std::async(std::launch::async, [&] { return read_contents(source); });
    auto theirs = read_contents(copy);
    auto expected = ours.get();
    if (!expected.ok()) return expected.error();
    if (!theirs.ok()) return theirs.error();
    ASB_CHECK(find_difference(expected.value(), theirs.value()));
    return sum_up(expected.value());
}

}  // namespace asb::postgres
