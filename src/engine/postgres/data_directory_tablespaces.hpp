#pragma once
// Why this exists: a restored tablespace must never land on the live one that it was copied from,
// so every one gets a new place, and the map that the server reads at its first start says so.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "engine/engine.hpp"

namespace asb::postgres {

struct TablespacePlace {
    std::string oid;
    std::string old_path;
    std::string new_path;  // absolute
};

// One for each tablespace in `facts`: as `request.tablespaces` maps it (by oid or old path), else
// "<target_dir>-tablespaces/<oid>". `usage` for a mapping that names none of them, or for two that
// share a place; `damaged` when the facts are not what a backup writes.
Result<std::vector<TablespacePlace>> place_tablespaces(const RestoreRequest& request,
                                                       const std::string& target_dir,
                                                       const Json& facts);

// The text of tablespace_map with every path replaced (backslash-escaped as the server's
// read_tablespace_map expects). `damaged` when its oids are not exactly those of `places`.
Result<std::string> rewrite_tablespace_map(std::string_view text,
                                           std::span<const TablespacePlace> places);

}  // namespace asb::postgres
