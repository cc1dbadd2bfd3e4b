#include "engine/postgres/only_target.hpp"

#include "base/text.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {
namespace {

constexpr const char* kPublic = "public";

// Of relations that are named: everything that hangs on them but is not theirs. `named` is a list
// of oids or a subquery of them, `more` further members of what is moved. The second half says
// whose each dependent is: a key its table's, a rule its view's, a default and a trigger their
// table's; those of what is moved itself move along.
constexpr const char* kDependentsQuery = R"(
WITH named AS (SELECT c.oid FROM pg_class c WHERE {0}),
moved AS (
  SELECT 'pg_class'::regclass AS class, oid FROM named
  UNION SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM named)
  UNION SELECT 'pg_class'::regclass, d.objid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM named) AND d.deptype IN ('a', 'i')
  UNION SELECT 'pg_type'::regclass, t.oid FROM pg_type t WHERE t.typrelid IN (SELECT oid FROM named)
  UNION SELECT 'pg_type'::regclass, t.typarray FROM pg_type t WHERE t.typrelid IN (SELECT oid FROM named)
  UNION SELECT 'pg_type'::regclass, t.oid FROM pg_type t WHERE {1} AND t.typnamespace = ANY ({2})
  UNION SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p WHERE {1} AND p.pronamespace = ANY ({2})),
dependents AS (
  SELECT d.classid, d.objid, d.objsubid, o.class AS owner_class, o.oid AS owner
  FROM pg_depend d JOIN moved r ON r.class = d.refclassid AND r.oid = d.refobjid
  CROSS JOIN LATERAL (
    SELECT 'pg_class'::regclass AS class, w.ev_class AS oid FROM pg_rewrite w WHERE d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
    UNION ALL SELECT CASE WHEN k.conrelid <> 0 THEN 'pg_class'::regclass ELSE 'pg_type'::regclass END,
      CASE WHEN k.conrelid <> 0 THEN k.conrelid ELSE k.contypid END
      FROM pg_constraint k WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    UNION ALL SELECT 'pg_class'::regclass, a.adrelid FROM pg_attrdef a WHERE d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
    UNION ALL SELECT 'pg_class'::regclass, t.tgrelid FROM pg_trigger t WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    UNION ALL SELECT 'pg_class'::regclass, p.polrelid FROM pg_policy p WHERE d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    UNION ALL SELECT 'pg_class'::regclass, s.stxrelid FROM pg_statistic_ext s WHERE d.classid = 'pg_statistic_ext'::regclass AND s.oid = d.objid
    UNION ALL SELECT d.classid, d.objid WHERE d.classid NOT IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass,
      'pg_attrdef'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_statistic_ext'::regclass)) o)
SELECT DISTINCT CASE WHEN classid = 'pg_rewrite'::regclass THEN pg_describe_object(owner_class, owner, 0)
  ELSE pg_describe_object(classid, objid, objsubid) END
FROM dependents WHERE NOT EXISTS (SELECT FROM moved WHERE moved.class = owner_class AND moved.oid = owner)
  AND NOT EXISTS (SELECT FROM pg_class c WHERE owner_class = 'pg_class'::regclass AND c.oid = owner
    AND c.relnamespace = 'pg_toast'::regnamespace)
ORDER BY 1)";

// A new object gets what ALTER DEFAULT PRIVILEGES of the database says, while a dump's grants begin
// from what a server gives by itself; so it is made to be that. {0}: conditions on relations, {1}
// on schemas.
constexpr const char* kResetPrivileges = R"(
DECLARE o record; g record;
BEGIN
  FOR o IN
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name, c.relacl AS acl,
      acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner) AS standard
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND {0}
    UNION ALL SELECT 'ROUTINE', p.oid::regprocedure::text, p.proacl, acldefault('f', p.proowner)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {1}
    UNION ALL SELECT 'TYPE', t.oid::regtype::text, t.typacl, acldefault('T', t.typowner)
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {1}
  LOOP
    CONTINUE WHEN o.acl IS NULL;
    FOR g IN SELECT DISTINCT grantee FROM aclexplode(o.acl) LOOP
      EXECUTE format('REVOKE ALL ON %s %s FROM %s', o.kind, o.name,
        CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END);
    END LOOP;
    FOR g IN SELECT grantee, privilege_type FROM aclexplode(o.standard) LOOP
      EXECUTE format('GRANT %s ON %s %s TO %s', g.privilege_type, o.kind, o.name,
        CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END);
    END LOOP;
  END LOOP;
END)";

// Objects that an operator could miss; what an extension brought is its own.
constexpr const char* kHoldsSomething =
    "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid) OR EXISTS (SELECT FROM "
    "pg_proc "
    "WHERE pronamespace = n.oid) OR EXISTS (SELECT FROM pg_type WHERE typnamespace = n.oid) FROM "
    "pg_namespace n WHERE n.nspname = $1";

const char* kind_word(char kind) {
    switch (kind) {
        case 'v':
            return "VIEW";
        case 'm':
            return "MATERIALIZED VIEW";
        case 'S':
            return "SEQUENCE";
        case 'f':
            return "FOREIGN TABLE";
        default:
            return "TABLE";
    }
}

std::string qualified(const Connection& connection, const RelationName& relation) {
    return connection.quoted_identifier(relation.schema) + "." +
           connection.quoted_identifier(relation.name);
}

std::string pairs(const Connection& connection, const std::set<RelationName>& relations) {
    std::string text;
    for (const auto& relation : relations)
        text += fmt::format("{}({}, {})", text.empty() ? "" : ", ",
                            connection.quoted_literal(relation.schema),
                            connection.quoted_literal(relation.name));
    return text;
}

// One look at a database; holds the session for its length.
class Look {
  public:
    Look(Connection& connection, const Pieces& pieces) : connection_(connection), pieces_(pieces) {}

    Result<InTheWay> run() {
        ASB_CHECK(look_for_schemas());
        ASB_CHECK(look_for_relations());
        ASB_CHECK(look_for_statistics());
        ASB_CHECK(refuse_partitions());
        if (!found_.empty()) ASB_CHECK(look_for_dependents());
        return std::move(found_);
    }

  private:
    Status look_for_schemas() {
        for (const auto& schema : pieces_.schemas) {
            ASB_TRY(const auto state, schema_state(schema));
            if (state == State::filled) found_.schemas.push_back(schema);
            if (state == State::bare && schema != kPublic) found_.bare.push_back(schema);
        }
        for (const auto& schema : pieces_.needed_schemas()) {
            ASB_TRY(const auto state, schema_state(schema));
            if (state == State::missing) found_.missing.insert(schema);
        }
        return {};
    }

    enum class State { missing, bare, filled };
    Result<State> schema_state(const std::string& schema) {
        const std::vector<std::string> name{schema};
        ASB_TRY(const auto rows, connection_.query_params(kHoldsSomething, name));
        if (PQntuples(rows.get()) == 0) return State::missing;
        return cell(rows, 0, 0) == "t" ? State::filled : State::bare;
    }

    // Those named, and the partitions that tables of these names have here.
    Status look_for_relations() {
        if (pieces_.relations.empty()) return {};
        ASB_TRY(const auto rows,
                connection_.query(fmt::format(
                    "WITH named AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = "
                    "c.relnamespace WHERE (n.nspname, c.relname) IN ({}) AND c.relkind IN ('r', "
                    "'p', 'v', 'm', 'S', 'f') AND NOT EXISTS (SELECT FROM pg_depend d WHERE "
                    "d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = "
                    "'pg_class'::regclass AND c.relkind = 'S' AND d.deptype IN ('a', 'i'))) "
                    "SELECT DISTINCT c.oid, n.nspname, c.relname, "
                    "c.relkind FROM named, LATERAL (SELECT named.oid UNION SELECT relid FROM "
                    "pg_partition_tree(named.oid)) t JOIN pg_class c ON c.oid = t.oid JOIN "
                    "pg_namespace n ON n.oid = c.relnamespace ORDER BY 2, 3",
                    pairs(connection_, pieces_.relations))));
        for (int row = 0; row < PQntuples(rows.get()); ++row)
            found_.relations.push_back(
                {.oid = std::string(cell(rows, row, 0)),
                 .name = {std::string(cell(rows, row, 1)), std::string(cell(rows, row, 2))},
                 .kind = cell(rows, row, 3).front()});
        return {};
    }

    // They do not move with their table.
    Status look_for_statistics() {
        if (found_.relations.empty()) return {};
        ASB_TRY(const auto rows,
                connection_.query(fmt::format("SELECT n.nspname, s.stxname FROM pg_statistic_ext s "
                                              "JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE "
                                              "s.stxrelid IN ({}) ORDER BY 1, 2",
                                              oids())));
        for (int row = 0; row < PQntuples(rows.get()); ++row)
            found_.statistics.push_back(
                {std::string(cell(rows, row, 0)), std::string(cell(rows, row, 1))});
        return {};
    }

    Status refuse_partitions() {
        if (found_.relations.empty()) return {};
        ASB_TRY(const auto rows,
                connection_.query(fmt::format("SELECT inhrelid::regclass, inhparent::regclass FROM "
                                              "pg_inherits WHERE inhrelid IN ({0}) AND inhparent "
                                              "NOT IN ({0}) ORDER BY 1 LIMIT 1",
                                              oids())));
        if (PQntuples(rows.get()) == 0) return {};
        return with_hint(fail(Code::refused,
                              "{} is a part of {} on the server, so it cannot be "
                              "replaced alone",
                              cell(rows, 0, 0), cell(rows, 0, 1)),
                         "name the whole table with --only, or detach the part first: ALTER TABLE "
                         "... DETACH PARTITION");
    }

    Status look_for_dependents() {
        const bool schemas = !found_.schemas.empty();
        std::string namespaces;
        for (const auto& schema : found_.schemas)
            namespaces += (namespaces.empty() ? "" : ", ") + connection_.quoted_literal(schema);
        const auto numbers =
            schemas ? fmt::format("ARRAY(SELECT oid FROM pg_namespace WHERE nspname IN ({}))",
                                  namespaces)
                    : std::string("'{}'::oid[]");
        const auto named = fmt::format("c.oid IN ({}) OR c.relnamespace = ANY ({})",
                                       found_.relations.empty() ? "0" : oids(), numbers);
        ASB_TRY(const auto rows,
                connection_.query(fmt::format(fmt::runtime(kDependentsQuery), named,
                                              schemas ? "true" : "false", numbers)));
        for (int row = 0; row < PQntuples(rows.get()); ++row)
            found_.dependents.emplace_back(cell(rows, row, 0));
        return {};
    }

    [[nodiscard]] std::string oids() const {
        std::string list;
        for (const auto& relation : found_.relations)
            list += (list.empty() ? "" : ", ") + relation.oid;
        return list;
    }

    Connection& connection_;
    const Pieces& pieces_;
    InTheWay found_;
};

}  // namespace

std::string reset_privileges_sql(const Connection& connection,
                                 const std::set<RelationName>& relations,
                                 const std::set<std::string>& schemas) {
    std::string names;
    for (const auto& schema : schemas)
        names += (names.empty() ? "" : ", ") + connection.quoted_literal(schema);
    const auto in_schemas = names.empty() ? "false" : fmt::format("n.nspname IN ({})", names);
    const auto named = relations.empty() ? "false"
                                         : fmt::format("(n.nspname, c.relname) IN ({})",
                                                       pairs(connection, relations));
    return fmt::format("DO {};\n", connection.quoted_literal(fmt::format(
                                       fmt::runtime(kResetPrivileges), named, in_schemas)));
}

std::string InTheWay::names() const {
    std::vector<std::string> all;
    for (const auto& relation : relations) all.push_back(printable(shown(relation.name)));
    for (const auto& schema : schemas) all.push_back("schema " + printable(schema));
    return join(all, ", ");
}

Result<InTheWay> look_in_the_way(Connection& connection, const Pieces& pieces) {
    return Look(connection, pieces).run();
}

std::string put_aside_sql(const Connection& connection, const InTheWay& found,
                          const std::string& aside, const std::string& id, bool make_public,
                          std::vector<std::string>& places) {
    std::string sql;
    if (!found.relations.empty()) {
        sql += fmt::format("CREATE SCHEMA {};\n", connection.quoted_identifier(aside));
        places.push_back(aside);
    }
    for (const auto& relation : found.relations)
        sql +=
            fmt::format("ALTER {} {} SET SCHEMA {};\n", kind_word(relation.kind),
                        qualified(connection, relation.name), connection.quoted_identifier(aside));
    for (const auto& statistics : found.statistics)
        sql += fmt::format("ALTER STATISTICS {} SET SCHEMA {};\n",
                           qualified(connection, statistics), connection.quoted_identifier(aside));
    for (const auto& schema : found.bare)
        sql += fmt::format("DROP SCHEMA {};\n", connection.quoted_identifier(schema));
    for (const auto& schema : found.schemas) {
        places.push_back(before_name(schema, id));
        sql += fmt::format("ALTER SCHEMA {} RENAME TO {};\n", connection.quoted_identifier(schema),
                           connection.quoted_identifier(places.back()));
        if (schema == kPublic && make_public)
            sql +=
                "CREATE SCHEMA public AUTHORIZATION pg_database_owner;\n"
                "GRANT USAGE ON SCHEMA public TO PUBLIC;\n";
    }
    return sql;
}

}  // namespace asb::postgres
