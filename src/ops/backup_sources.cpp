#include "ops/backup_sources.hpp"

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "codec/digest.hpp"
#include "ops/file_chain.hpp"
#include "repo/log_tail.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

constexpr std::size_t kLogIdBytes = 6;

std::string random_log_id() {
    std::array<std::byte, kLogIdBytes> bytes{};
    random_bytes(bytes);
    return to_hex(bytes);
}

// What the sessions of one backup are told.
struct Origin {
    StoreReader& store;
    const Catalog& catalog;
    bool keep_log = false;
};

// `locked` gets the logs of another key.
Result<SessionContext> session_context(const OpsContext& context, const Engine& engine,
                                       const Origin& origin, std::vector<LogTail>& locked) {
    SessionContext session{context.log, context.progress, context.stop};
    if (engine.has_log()) {
        ASB_TRY(auto tails, keyed_tails(context, origin.store, origin.catalog, engine.name()));
        session.tails = std::move(tails.open);
        locked = std::move(tails.locked);
    }
    session.new_log_id = random_log_id();
    // Whoever took incremental backups with the other key wants to take them with this one.
    session.keep_log = origin.keep_log || std::ranges::any_of(locked, [&](const LogTail& tail) {
                           const auto* entry = origin.catalog.find(tail.written_by);
                           return entry->manifest.type == BackupType::incremental;
                       });
    return session;
}

Result<BackupSources> open_full(const OpsContext& context, BackupType type, const Origin& origin) {
    BackupSources sources;
    sources.type = type;
    ASB_TRY(auto engines, open_engines(context, type));
    for (auto& engine : engines) {
        std::vector<LogTail> locked;
        ASB_TRY(auto told, session_context(context, *engine, origin, locked));
        std::ranges::move(locked, std::back_inserter(sources.locked));
        ASB_TRY(auto session, engine->open_session(std::move(told)));
        sources.open.push_back({std::move(engine), std::move(session)});
    }
    return sources;
}

// Where a source without a log looks up how far it came: the backup that the database, opened
// before it, goes on from.
ParentEntry parent_entry(const OpsContext& context, const Origin& origin,
                         const BackupSources& sources) {
    for (const auto& source : sources.open) {
        const auto* tail = source.session->goes_on_from();
        if (tail == nullptr || chain_base(origin.catalog, tail->written_by) == nullptr) continue;
        return [&context, &store = origin.store,
                parent = ParentBackup{.id = tail->written_by_id, .name = tail->written_by}](
                   const std::string& entry) {
            return read_parent_entry(context, store, parent, entry);
        };
    }
    return {};
}

Result<BackupSources> open_incremental(const OpsContext& context, const Origin& origin) {
    BackupSources sources;
    sources.type = BackupType::incremental;
    ASB_TRY(auto engines, open_engines(context, BackupType::incremental));
    for (auto& engine : engines) {
        std::vector<LogTail> locked;
        ASB_TRY(auto told, session_context(context, *engine, origin, locked));
        if (told.tails.empty() && !locked.empty()) {
            sources.key_gap =
                fmt::format("the encryption key is not the one of {}", locked.back().written_by);
            break;
        }
        sources.tails.insert(sources.tails.end(), told.tails.begin(), told.tails.end());
        if (!engine->has_log()) told.parent_entry = parent_entry(context, origin, sources);
        ASB_TRY(auto session, engine->open_incremental(std::move(told)));
        sources.open.push_back({std::move(engine), std::move(session)});
        if (!sources.gap().empty()) break;  // a full one is taken instead
    }
    return sources;
}

Result<BackupSources> open_promoted(const OpsContext& context, const std::string& gap,
                                    const Promotion& promotion, StoreReader& store,
                                    const Catalog& catalog) {
    if (!promotion.allowed)
        return with_hint(fail(Code::incomplete, "no incremental backup can be taken: {}", gap),
                         "take a full one: backup.sh --type full");
    context.log.warning("a full backup is taken instead of an incremental one: {}", gap);
    ASB_TRY(auto sources, open_full(context, BackupType::full,
                                    {.store = store, .catalog = catalog, .keep_log = true}));
    sources.promoted_because = gap;
    return sources;
}

// Whether the settings' key, when there is one, opens the backup.
Result<bool> opens(const OpsContext& context, StoreReader& store, const std::string& backup) {
    if (!context.settings.flag("ENCRYPTION_ENABLED")) return true;
    ASB_TRY(const auto provider, open_key_provider(context));
    const auto keys = backup_keys(store, backup, provider.get());
    if (!keys && keys.error().code != Code::wrong_key) return keys.error();
    return keys.ok();
}

}  // namespace

Result<KeyedTails> keyed_tails(const OpsContext& context, StoreReader& store,
                               const Catalog& catalog, std::string_view engine) {
    KeyedTails keyed;
    ASB_TRY(auto tails, log_tails(store, catalog, engine));
    for (auto& tail : tails) {
        ASB_TRY(const bool is_open, opens(context, store, tail.written_by));
        (is_open ? keyed.open : keyed.locked).push_back(std::move(tail));
    }
    return keyed;
}

std::string BackupSources::gap() const {
    for (const auto& source : open)
        if (const auto gap = source.session->gap()) return *gap;
    return key_gap;
}

std::optional<ParentBackup> BackupSources::parent_of(std::string_view log_id) const {
    const auto tail = std::ranges::find(tails, log_id, &LogTail::log_id);
    if (tail == tails.end()) return std::nullopt;
    return ParentBackup{.id = tail->written_by_id, .name = tail->written_by};
}

Result<BackupSources> open_backup_sources(const OpsContext& context, BackupType type,
                                          const Promotion& promotion, StoreReader& store) {
    Catalog catalog;
    if (type != BackupType::config) {
        ASB_TRY(catalog, load_catalog(store, job_count(context.settings)));
    }
    const Origin origin{.store = store, .catalog = catalog};
    if (type != BackupType::incremental) return open_full(context, type, origin);
    ASB_TRY(auto sources, open_incremental(context, origin));
    if (const auto gap = sources.gap(); !gap.empty())
        return open_promoted(context, gap, promotion, store, catalog);
    return sources;
}

Result<BackupSources> promote(const OpsContext& context, const BackupSources& incremental,
                              const Promotion& promotion, StoreReader& store) {
    ASB_TRY(const auto catalog, load_catalog(store, job_count(context.settings)));
    return open_promoted(context, incremental.gap(), promotion, store, catalog);
}

}  // namespace asb
