#pragma once
// Why this exists: before a restored database takes anybody's place, it is proved to hold what the
// backup holds: every relation, every sequence's value, every row, every large object.

#include <string>

#include "engine/postgres/connection.hpp"

namespace asb::postgres {

// What a comparison saw, for the report.
struct Compared {
    std::uint64_t relations = 0;
    std::uint64_t sequences = 0;
    std::uint64_t rows = 0;
    std::uint64_t large_objects = 0;
};

// Compares, exactly: relations by schema, name and kind; value of each sequence; number of rows of
// each table and materialised view; number of large objects. What belongs to an extension is the
// extension's own and is left out. `damaged` names the first difference.
Result<Compared> compare_databases(Connection& source, Connection& copy);

}  // namespace asb::postgres
