#pragma once
// Why this exists: a table is more than its rows: its indexes, keys, triggers, policies, grants,
// comments, sequences and partitions are entries of their own in a dump. Which of them go with
// which table or schema is decided here, without any server.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/postgres/only_toc.hpp"
#include "engine/postgres/only_words.hpp"

namespace asb::postgres {

struct RelationName {
    std::string schema;
    std::string name;
    friend auto operator<=>(const RelationName&, const RelationName&) = default;
};

// "auth.users", for people.
std::string shown(const RelationName& relation);

// What was named, as far as the dump has it.
struct Pieces {
    std::set<std::string> schemas;  // whole
    std::set<RelationName>
        relations;  // single tables, views, sequences; partitions of those named too
    // The schemas of `relations`.
    [[nodiscard]] std::set<std::string> needed_schemas() const;
};

// `not_found`, naming what there is, for a word that matches nothing; `refused` for a partition
// without its parent.
Result<Pieces> find_pieces(const std::vector<TocEntry>& toc, const OnlyWords& only);

// All entries that belong to `pieces`, in the order of the dump; borrowed from `toc`. Of
// `missing_schemas` only the schemas themselves, so that single tables have a place.
std::vector<const TocEntry*> collect_entries(const std::vector<TocEntry>& toc, const Pieces& pieces,
                                             const std::set<std::string>& missing_schemas);

// The relations among `entries`.
std::set<RelationName> relations_of(const std::vector<const TocEntry*>& entries);

}  // namespace asb::postgres
