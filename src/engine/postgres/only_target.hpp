#pragma once
// Why this exists: before schemas and tables of a backup go into a database that is in use, one
// must know what is there under their names, what else hangs on it, and how it is put aside.

#include <string>
#include <vector>

#include "engine/postgres/connection.hpp"
#include "engine/postgres/only_choice.hpp"

namespace asb::postgres {

struct InTheWay {
    struct Relation {
        std::string oid;
        RelationName name;
        char kind = 'r';  // pg_class.relkind
    };
    std::vector<Relation> relations;       // tables, views, sequences, partitions of theirs
    std::vector<RelationName> statistics;  // CREATE STATISTICS of theirs
    std::vector<std::string> schemas;      // that hold something, to be moved as a whole
    std::vector<std::string> bare;         // that hold nothing, to be dropped
    std::set<std::string> missing;         // schemas that single tables need and that are not there
    // What else refers to them and would go on referring to the old ones: keys of other tables,
    // views, functions, publications; as the server describes them.
    std::vector<std::string> dependents;
    [[nodiscard]] bool empty() const { return relations.empty() && schemas.empty(); }
    // "auth.users, schema billing"
    [[nodiscard]] std::string names() const;
};

// Asks `connection`, a session on the database. `refused` for a table that is a partition of
// another one there.
Result<InTheWay> look_in_the_way(Connection& connection, const Pieces& pieces);

// The statement that takes from new `relations`, and from the routines and types of new `schemas`,
// what the database's default privileges gave them: the stored grants come after it.
std::string reset_privileges_sql(const Connection& connection,
                                 const std::set<RelationName>& relations,
                                 const std::set<std::string>& schemas);

// The statements that put it aside: single relations into the new schema `aside`, whole schemas
// under `<name>__before_<id>`. `make_public`: what follows does not create the schema public, as a
// dump takes it for granted. `places` is told where each schema and `aside` are.
std::string put_aside_sql(const Connection& connection, const InTheWay& found,
                          const std::string& aside, const std::string& id, bool make_public,
                          std::vector<std::string>& places);

}  // namespace asb::postgres
