#pragma once
// Why this exists: what belongs to a database but is not in it (encoding, locale, owner, grants,
// comment, settings) is in no dump that restores under another name; it is read and written here.

#include <optional>
#include <string>
#include <vector>

#include "engine/postgres/connection.hpp"

namespace asb::postgres {

struct DatabaseProperties {
    std::string owner;
    std::string encoding;
    std::string collate;
    std::string ctype;
    char provider = 'c';  // c libc, i ICU, b built in (17)
    std::optional<std::string> locale;
    std::optional<std::string> icu_rules;
    std::string connection_limit;
    std::string tablespace;
    std::optional<std::string> comment;
    struct Grant {
        std::string grantee;  // empty: PUBLIC
        std::string privilege;
        bool grantable = false;
    };
    bool has_grants = false;  // whether the defaults were ever changed
    std::vector<Grant> grants;
    struct Setting {
        std::string role;  // empty: for every role
        std::string text;  // "name=value"
    };
    std::vector<Setting> settings;
};

Result<DatabaseProperties> read_properties(Connection& source, const std::string& database);

// CREATE DATABASE `copy` ... for `target`; its tablespace only when the target has one of the name.
std::string create_statement(const Connection& target, const std::string& copy,
                             const DatabaseProperties& properties, bool keep_tablespace);

// Grants, settings and connection limit, in one transaction; not the comment, which marks the copy
// as ours until it takes its place. `target` is a session on
// another database.
Status write_properties(Connection& target, const std::string& copy,
                        const DatabaseProperties& properties);

}  // namespace asb::postgres
