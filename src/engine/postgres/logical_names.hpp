#pragma once
// Why this exists: a database may be called anything, a tar entry may not, and a dump is cut into
// parts since a tar entry needs its size beforehand: both directions of these names are here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace asb::postgres {

inline constexpr std::string_view kLogicalFolder = "postgresql/logical/";
inline constexpr std::string_view kGlobalsEntry = "postgresql/logical/globals.sql";
inline constexpr std::string_view kCatalogEntry = "postgresql/logical/databases.json";

// Everything but letters, digits, '_' and '-' becomes %XX (upper-case hex), so that the result is a
// plain file name, never "." or "..". At most 3 * 63 bytes (NAMEDATALEN - 1 is 63).
std::string escape_database(std::string_view name);
// The inverse; nullopt for what escape_database never writes.
std::optional<std::string> unescape_database(std::string_view escaped);

// "postgresql/logical/auth.dump", or with a part's number, from 1, "….dump.000001".
std::string dump_entry(std::string_view database);
std::string dump_entry(std::string_view database, std::uint64_t part);

struct DumpPart {
    std::string database;
    std::uint64_t number = 0;  // 0: the whole dump
};
// nullopt when `entry` is not (a part of) a dump.
std::optional<DumpPart> parse_dump_entry(std::string_view entry);

}  // namespace asb::postgres
