#pragma once
// Why this exists: what an operator names with --only (a database, a schema, a table, with globs)
// is read and matched in one place, for backups of both kinds.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace asb::postgres {

// One word of --only: "auth", "auth.public" or "auth.public.users"; parts not named are empty.
struct OnlyWord {
    std::string text;
    std::string database;
    std::string schema;
    std::string table;
};

struct OnlyWords {
    std::vector<OnlyWord> words;
    // Schemas or tables of one database, not whole databases. Never both in one restore: each kind
    // takes its place in one transaction of its own.
    bool pieces = false;
    [[nodiscard]] bool empty() const { return words.empty(); }
};

// `usage` for a word of more than three parts or with an empty one, and for a mixture.
Result<OnlyWords> parse_only(const std::vector<std::string>& words);

// `*` is any text, `?` any one character (UTF-8).
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view name);

// The `databases` that the words name, in their order; all without words. `not_found`, naming what
// there is, for a word that names none; `usage` when pieces are of several databases.
Result<std::vector<std::string>> choose_named(const OnlyWords& only,
                                              const std::vector<std::string>& databases);

}  // namespace asb::postgres
