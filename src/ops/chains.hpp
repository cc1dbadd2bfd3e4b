#pragma once
// Why this exists: what `list` says beyond single backups: which one goes on from which, and from
// when to when each log can be restored.

#include <string>
#include <vector>

#include "base/json.hpp"
#include "ops/context.hpp"
#include "repo/catalog.hpp"
#include "repo/log_windows.hpp"

namespace asb {

// A backup's place in the table.
struct ChainRow {
    const CatalogEntry* entry = nullptr;  // of the catalog
    // 0 for what goes on from nothing. One deeper than its parent is the first after a full backup,
    // and every one of several that go on from the same; a long chain stays on one depth.
    std::size_t depth = 0;
    bool parent_missing = false;
};

// All entries, oldest first, and below each one those that go on from it.
std::vector<ChainRow> chain_rows(const Catalog& catalog);

// One paragraph a log: its windows, and each gap; empty when no backup has a log.
std::string chains_text(const OpsContext& context, const LogHistory& history);
// [{"log", "engine", "windows": [...], "gaps": [...]}]
Json chains_json(const OpsContext& context, const LogHistory& history);

}  // namespace asb
