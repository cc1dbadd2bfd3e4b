#pragma once
// Why this exists: of a logical backup only the dumps that are wanted need be read; what is wanted,
// and what an archive holds that could be, is told from the names of its entries alone.

#include <functional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/only_words.hpp"

namespace asb::postgres {

using DatabaseFilter = std::function<bool(const std::string&)>;

// Which databases a restore needs: those that `only` names, all of them, or the one of `url`.
Result<DatabaseFilter> wanted_databases(const std::string& url, bool all_databases,
                                        const OnlyWords& only);

// Switches off, in `chosen`, the dumps that `request` does not need. Of a physical backup
// everything is needed. `not_found` when a word of --only names no database of a logical backup.
Status choose_dumps(const std::string& url, const RestoreRequest& request, const Json& facts,
                    std::span<const StoredEntry> entries, std::vector<bool>& chosen);

// Logical: each database with the bytes of its dump. Physical: the cluster and each tablespace.
std::vector<ContentLine> list_databases(const Json& facts, std::span<const StoredEntry> entries);

}  // namespace asb::postgres
