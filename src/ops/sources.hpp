#pragma once
// Why this exists: from settings to the things a verb works with: the engines, the repository's
// place, the key.

#include <memory>
#include <optional>
#include <string>
#include <thread>
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

    [[nodiscard]] Result<std::unique_ptr<StoreReader>> open_reader(const OpsContext& context) const;
    [[nodiscard]] Result<std::optional<std::uint64_t>> check_writable(
        const OpsContext& context) const;
    // As StoreDriver::room_warning; empty where the store has no bounds.
    [[nodiscard]] std::string room_warning(const OpsContext& context) const;
};
Result<Place> find_place(const OpsContext& context, const std::string& location);
// The same context, whose stores give up after so many seconds (0: after one try): where one of
// several does not answer, nobody should wait minutes for the others.
class BriefContext {
  public:
    explicit BriefContext(const OpsContext& context, std::uint64_t seconds = 10);
    BriefContext(const BriefContext&) = delete;
    BriefContext& operator=(const BriefContext&) = delete;
    [[nodiscard]] const OpsContext& get() const { return context_; }

  private:
    Settings settings_;
    OpsContext context_;
};

// ask(i) for each number below `count`, all at once; what each answered, at its number.
template <typename Ask>
auto for_each_place(std::size_t count, const Ask& ask) {
    std::vector<std::optional<decltype(ask(std::size_t{}))>> answers(count);
    {
        std::vector<std::jthread> threads;
        threads.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            threads.emplace_back([&, i] { answers[i].emplace(ask(i)); });
    }
    std::vector<decltype(ask(std::size_t{}))> all;
    all.reserve(count);
    for (auto& answer : answers) all.push_back(std::move(*answer));
    return all;
}

// Of the newest backup that is published there, its manifest's key; empty: there is none.
Result<std::string> newest_name(StoreReader& reader);
// Whether the store answers; one that holds no repository yet does.
Status ask(StoreReader& reader);
// Every repository that settings name, in the order of the drivers: BACKUP_DIR, S3_BUCKET,
// GCS_BUCKET. `usage` when there is none.
Result<std::vector<Place>> repository_places(const OpsContext& context);
// The one that REPOSITORY names; absent: it names none. `not_found` for a folder that is not there:
// who names one to look at means one that is.
Result<std::optional<Place>> named_repository(const OpsContext& context);
// What verbs read from that read from one: the one that REPOSITORY names, else those of
// repository_places that can be reached, the one with the newest backup first; those that cannot
// are warned of. An error when there is none, that of the first.
Result<std::vector<Place>> readable_places(const OpsContext& context);

// Everything that may be done to a repository, each right opened alone.
struct Stores {
    std::unique_ptr<StoreReader> reader;
    std::unique_ptr<StoreAppender> appender;
    std::unique_ptr<StoreEraser> eraser;
};
Result<Stores> open_stores(const OpsContext& context, const Place& place);
// The same; what is written there can be given up alone, by `appending`.
Result<Stores> open_stores(const OpsContext& context, const Place& place, StopToken appending);

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
