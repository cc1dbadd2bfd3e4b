#pragma once
// Why this exists: from settings to the things a verb works with: the engines, the repository's
// place, the key.

#include <memory>
#include <string>
#include <vector>

#include "ops/context.hpp"
#include "repo/manifest.hpp"

namespace asb {

// The engine that DATABASE_TYPE and DATABASE_URL name. `usage` when they contradict each other,
// name no engine of this program, or when there is no URL.
Result<std::unique_ptr<Engine>> open_database_engine(const OpsContext& context);
// The file-set engine, and unless only configuration is backed up, the database's before it.
Result<std::vector<std::unique_ptr<Engine>>> open_engines(const OpsContext& context,
                                                          BackupType type);
// The engine of that name, for restoring what it once wrote; `usage` when this program has none.
Result<std::unique_ptr<Engine>> open_engine_named(const OpsContext& context, std::string_view name);

// The store that holds `location` (a folder, or a URL whose scheme names the driver) and the
// location in its own words.
struct Place {
    const StoreDriver* driver = nullptr;
    std::string location;
};
Result<Place> find_place(const OpsContext& context, const std::string& location);
// The repository that settings name: BACKUP_DIR.
Result<Place> repository_place(const OpsContext& context);

// Everything that may be done to a repository, each right opened alone.
struct Stores {
    std::unique_ptr<StoreReader> reader;
    std::unique_ptr<StoreAppender> appender;
    std::unique_ptr<StoreEraser> eraser;
};
Result<Stores> open_stores(const Place& place);

// The provider whose key the settings hold. `usage` when there is none or it may not be used.
Result<std::unique_ptr<KeyProvider>> open_key_provider(const OpsContext& context);

// What a user may name a backup by: a path or URL of its body (or its index, its manifest), its
// name, or `latest`.
struct BackupReference {
    Place place;
    std::string name;  // object name without suffix; "latest" is resolved by resolve_backup
};
Result<BackupReference> parse_reference(const OpsContext& context, const std::string& text);
// As parse_reference, with `latest` looked up in the catalog (`not_found` when it is empty).
Result<BackupReference> resolve_backup(const OpsContext& context, const std::string& text);

}  // namespace asb
