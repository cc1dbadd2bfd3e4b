#include "ops/recovery.hpp"

#include <algorithm>
#include <functional>
#include <future>
#include <utility>

#include "base/text.hpp"
#include "ops/opened.hpp"
#include "ops/recovery_reader.hpp"
#include "ops/recovery_text.hpp"
#include "repo/log_record.hpp"
#include "repo/names.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

// Attempts to find a name, each from one full backup further back.
constexpr std::size_t kNameAttemptsMax = 10'000;

// The entry that the wish names; null for "latest" and for nothing said.
Result<const CatalogEntry*> named_entry(const OpsContext& context, const RecoveryWish& wish,
                                        const Catalog& catalog) {
    if (wish.backup.empty()) return nullptr;
    ASB_TRY(const auto reference, parse_reference(context, wish.backup));
    if (reference.name == "latest") return catalog.latest();
    const auto* entry = catalog.find(reference.name);
    if (entry == nullptr)
        return with_hint(fail(Code::not_found, "there is no backup {}", printable(reference.name)),
                         "restore --list shows what there is");
    if (entry->state == CatalogEntry::State::damaged)
        return with_hint(fail(Code::damaged, "{}: {}", entry->name, entry->problem),
                         "use another backup (restore --list)");
    return entry;
}

// The engine of the backup that was named, of the settings' database, or of the newest log; null
// when no log is kept.
Result<std::unique_ptr<Engine>> engine_of(const OpsContext& context, const CatalogEntry* named,
                                          const LogHistory& history) {
    if (named != nullptr && named->manifest.log)
        return open_engine_named(context, named->manifest.log->engine);
    if (auto database = open_database_engine(context)) return database;
    const auto newest = std::find_if(history.logs.rbegin(), history.logs.rend(),
                                     [](const DatabaseLog& log) { return !log.bases.empty(); });
    if (newest == history.logs.rend()) return std::unique_ptr<Engine>();
    return open_engine_named(context, newest->engine);
}

// What is kept of one database, whichever logs that is in.
struct Kept {
    std::string identity;
    CommitTime from = CommitTime::max();
    CommitTime to = CommitTime::min();
    std::string base;  // its newest full backup
};

std::vector<Kept> kept_databases(const LogHistory& history) {
    std::vector<Kept> databases;
    for (const auto& log : history.logs) {
        if (log.bases.empty()) continue;
        auto found = std::ranges::find(databases, log.identity, &Kept::identity);
        if (found == databases.end()) {
            databases.emplace_back().identity = log.identity;
            found = std::prev(databases.end());
        }
        for (const auto& base : log.bases) {
            found->from = std::min(found->from, base.consistent_at);
            found->to = std::max(found->to, base.consistent_at);
        }
        for (const auto& span : log.spans)
            found->to = std::max({found->to, span.newest_commit, span.covered_until});
        found->base = std::max(found->base, history.backups[log.bases.back().backup]);
    }
    std::ranges::sort(databases, {}, &Kept::from);
    return databases;
}

// Of several databases in one repository, only that of the settings may come back. One that ended
// before the next began was replaced by it.
Status keep_one_database(const Engine& engine, LogHistory& history) {
    const auto is_ours = [&](const DatabaseLog& log) { return engine.may_be_log_of(log.identity); };
    if (std::ranges::any_of(history.logs, is_ours))
        std::erase_if(history.logs, std::not_fn(is_ours));
    const auto databases = kept_databases(history);
    const auto side_by_side = std::ranges::adjacent_find(
        databases, [](const Kept& one, const Kept& next) { return next.from < one.to; });
    if (side_by_side == databases.end()) return {};
    std::vector<std::string> names;
    names.reserve(databases.size());
    for (const auto& database : databases)
        names.push_back(fmt::format("{} of {}", database.base, printable(database.identity)));
    return with_hint(
        fail(Code::usage,
             "the repository holds the logs of {} databases, and nothing says which one is meant; "
             "their newest full backups are {}",
             databases.size(), join(names, ", ")),
        "name a full backup of the right one: --backup-file NAME");
}

// A named full backup is the one to begin with; a named incremental one is where to stop.
Status narrow(const CatalogEntry& entry, const TargetWords& words, Planning& planning) {
    const auto& log = entry.manifest.log;
    if (!log)
        return with_hint(
            fail(Code::unreachable_target,
                 "{} says nothing of the database's log, so nothing can "
                 "go on from it",
                 entry.name),
            "restore it as it is, without a target; physical backups of PostgreSQL and those of "
            "MongoDB replica sets have a log");
    auto& logs = planning.history.logs;
    std::erase_if(logs, [&](const DatabaseLog& other) { return other.id != log->facts.log_id; });
    if (entry.manifest.type == BackupType::full) {
        for (auto& kept : logs)
            std::erase_if(kept.bases, [&](const LogBase& base) {
                return planning.history.backups[base.backup] != entry.name;
            });
        return {};
    }
    if (!words.empty()) return {};
    planning.target = LogTarget{.kind = LogTarget::Kind::position,
                                .time = {},
                                .position = log->facts.end(),
                                .name = entry.name,
                                .text = entry.name};
    return {};
}

Status decide_target(const TargetWords& words, Planning& planning) {
    if (words.empty()) return {};
    const auto* engine = planning.engine.get();
    ASB_TRY(planning.target, parse_target(words, [&](std::string_view text) -> Result<LogPoint> {
                if (engine == nullptr)
                    return fail(Code::usage, "no backup says how a position is written");
                return engine->parse_position(text);
            }));
    if (planning.target.kind != LogTarget::Kind::limit || engine == nullptr || engine->has_oplog())
        return {};
    return with_hint(
        fail(Code::usage, "--oplog-limit names an entry of MongoDB's oplog, and this is a {} log",
             engine->name()),
        "name the place with --target-position; list shows the positions that can be reached");
}

// Those of `backups` that are not known yet; the log's, when there are objects among `spans`.
Status add_keys(const OpsContext& context, ResolvedRecovery& resolved,
                std::vector<std::string> backups, const std::vector<SourceSpan>& spans) {
    std::erase_if(
        backups, [&](const std::string& name) { return resolved.source.keys_of(name) != nullptr; });
    const auto provider = reading_key(context);
    const auto jobs = job_count(context.settings);
    using Keys = Result<std::optional<BodyKeys>>;
    for (std::size_t begin = 0; begin < backups.size(); begin += jobs) {
        ASB_CHECK(context.stop.check());
        std::vector<std::pair<std::string, std::future<Keys>>> running;
        for (auto i = begin; i < std::min(begin + jobs, backups.size()); ++i)
            running.emplace_back(backups[i], std::async(std::launch::async, [&, i] {
                                     return backup_keys(*resolved.store, backups[i],
                                                        provider.get());
                                 }));
        for (auto& [name, future] : running) {
            ASB_TRY(const auto keys, future.get());
            if (keys) resolved.source.keys[name] = *keys;
        }
    }
    const bool has_objects =
        std::ranges::any_of(spans, [](const SourceSpan& span) { return !span.object.empty(); });
    if (!has_objects || resolved.source.log_key) return {};
    const auto& id = resolved.history.logs[resolved.plan.log].id;
    ASB_TRY(const auto record, open_log_record(*resolved.store, id, provider.get()));
    resolved.source.log_key = record.key;
    return {};
}

// Goes on behind a position: in what leads there, no transaction may come after it.
Status name_first_out(const OpsContext& context, ResolvedRecovery& resolved, LogSearch& search) {
    auto beyond = resolved.plan;
    beyond.spans = std::exchange(beyond.beyond, {});
    auto source = recovery_source(resolved.history, beyond);
    ASB_CHECK(add_keys(context, resolved, backups_of(source.spans), source.spans));
    source.head.facts = resolved.source.head.facts;
    source.repository = resolved.source.repository;
    source.store_settings = resolved.source.store_settings;
    source.keys = resolved.source.keys;
    source.log_key = resolved.source.log_key;
    ASB_TRY(const auto reader, RecoveryReader::open(source, context.drivers, context.stop));
    for (const auto& span : source.spans) {
        if (search.found().first_out) break;
        ASB_CHECK(reader->read(span, [&](const LogPoint& start, Bytes bytes) -> Status {
            return search.found().first_out ? Status() : search.feed(start, bytes);
        }));
    }
    resolved.found.first_out = search.found().first_out;
    return {};
}

// Reads what the plan says must be read to know the stop.
Status search(const OpsContext& context, ResolvedRecovery& resolved) {
    const auto& plan = resolved.plan;
    auto& source = resolved.source;
    ASB_CHECK(
        add_keys(context, resolved, backups_of(source.spans, plan.search.first), source.spans));
    ASB_TRY(const auto reader, RecoveryReader::open(source, context.drivers, context.stop));
    ASB_TRY(const auto search, reader->engine().search_log(plan.target, source.head.facts));
    context.progress.begin_stage("look for the stop in the log", 0);
    for (auto i = plan.search.first; i < source.spans.size() && !search->done(); ++i) {
        SourceSpan span = source.spans[i];
        if (i == plan.search.first) {
            LogPoint from{span.range.line, span.range.start};
            if (plan.search.from.line == from.line) from.at = plan.search.from.at;
            ASB_TRY(from, reader->search_start(span, plan.target, from));
            span.range.start = from.at;
        }
        ASB_CHECK(reader->read(span, [&](const LogPoint& start, Bytes bytes) -> Status {
            return search->done() ? Status() : search->feed(start, bytes);
        }));
    }
    resolved.found = search->found();
    if (resolved.found.first_out || plan.beyond.empty()) return {};
    auto named = name_first_out(context, resolved, *search);
    if (named || named.error().code == Code::interrupted) return named;
    // What comes after the stop is only for the report: damage there is no reason not to go back.
    context.log.warning("the first transaction left out cannot be named: {}", named.error().fact);
    return {};
}

// What comes after the stop is not needed.
void cut(ResolvedRecovery& resolved) {
    const auto& stop = resolved.found.stop;
    if (!stop) return;
    auto& source = resolved.source;
    const auto is_after = [&](const LogRange& range) {
        return range.line > stop->point.line || range.start > stop->point.at;
    };
    std::erase_if(source.spans, [&](const SourceSpan& span) { return is_after(span.range); });
    std::erase_if(source.head.cover, is_after);
}

Status take_plan(const OpsContext& context, RecoveryPlan plan, const Catalog& catalog,
                 ResolvedRecovery& resolved) {
    resolved.plan = std::move(plan);
    auto keys = std::move(resolved.source.keys);
    resolved.source = recovery_source(resolved.history, resolved.plan);
    resolved.source.keys = std::move(keys);
    resolved.base = resolved.history.backups[resolved.plan.base.backup];
    const auto* entry = catalog.find(resolved.base);
    ASB_ASSERT(entry != nullptr);
    resolved.base_facts = entry->manifest.engines;
    resolved.source.head.facts =
        resolved.base_facts.value(resolved.source.head.engine, Json(Json::object()));
    resolved.source.repository = resolved.place.location;
    resolved.source.store_settings =
        store_settings(context.drivers, *resolved.place.driver, context.settings);
    return search(context, resolved);
}

// From one full backup after the other, the newest first.
Status find_name(const OpsContext& context, const Planning& planning, ResolvedRecovery& resolved,
                 const PositionText& position) {
    for (std::size_t attempt = 0; attempt < kNameAttemptsMax; ++attempt) {
        ASB_CHECK(context.stop.check());
        auto planned = plan_name(resolved.history, planning.target, attempt);
        if (const auto* why = std::get_if<Unreachable>(&planned))
            return unreachable_error(*why, planning.target, position, resolved.store->place());
        ASB_CHECK(take_plan(context, std::get<RecoveryPlan>(std::move(planned)), planning.catalog,
                            resolved));
        if (resolved.found.names > 1)
            return with_hint(fail(Code::usage, "{} restore points have the name '{}'",
                                  resolved.found.names, printable(planning.target.name)),
                             "name the place with --target-position or --target-time");
        if (resolved.found.names == 1) return {};
    }
    return fail(Code::unreachable_target, "no restore point '{}' was found",
                printable(planning.target.name));
}

}  // namespace

Result<bool> needs_recovery(const OpsContext& context, const RecoveryWish& wish) {
    if (!wish.words.empty()) return true;
    if (wish.backup.empty()) return false;
    ASB_TRY(const auto resolved, resolve_backup(context, wish.backup));
    ASB_TRY(const auto store, resolved.place.open_reader(context));
    auto text = store->get(manifest_key(resolved.name), kManifestBytesMax);
    if (!text) return false;  // whoever opens the backup says what is wrong
    const auto read = parse_manifest(*text, resolved.name);
    return read && read->manifest.type == BackupType::incremental;
}

namespace {

Result<std::vector<Place>> places_of(const OpsContext& context, const RecoveryWish& wish) {
    if (wish.backup.empty() || wish.backup == "latest") return readable_places(context);
    ASB_TRY(const auto reference, parse_reference(context, wish.backup));
    return std::vector<Place>{reference.place};
}

}  // namespace

Result<Planning> plan_wish_at(const OpsContext& context, const RecoveryWish& wish,
                              const Place& place) {
    Planning planning;
    planning.place = place;
    ASB_TRY(planning.store, planning.place.open_reader(context));
    ASB_TRY(planning.catalog, load_catalog(*planning.store, job_count(context.settings)));
    ASB_TRY(planning.history, load_log_history(*planning.store, planning.catalog));
    ASB_TRY(const auto* named, named_entry(context, wish, planning.catalog));
    const bool is_named = named != nullptr && wish.backup != "latest";
    ASB_TRY(planning.engine, engine_of(context, named, planning.history));
    const bool names_log = named != nullptr && (is_named || wish.words.empty());
    if (planning.engine) {
        keep_engine(planning.history, planning.engine->name());
        if (!names_log) ASB_CHECK(keep_one_database(*planning.engine, planning.history));
    }
    ASB_CHECK(decide_target(wish.words, planning));
    if (names_log) ASB_CHECK(narrow(*named, wish.words, planning));
    planning.planned = planning.target.kind == LogTarget::Kind::name
                           ? plan_name(planning.history, planning.target, 0)
                           : plan_recovery(planning.history, planning.target);
    return planning;
}

Result<Planning> plan_wish(const OpsContext& context, const RecoveryWish& wish) {
    ASB_TRY(const auto places, places_of(context, wish));
    auto first = plan_wish_at(context, wish, places.front());
    for (std::size_t i = 1; i < places.size(); ++i) {
        if (first && std::holds_alternative<RecoveryPlan>(first->planned)) break;
        auto other = plan_wish_at(context, wish, places[i]);
        if (!other || !std::holds_alternative<RecoveryPlan>(other->planned)) continue;
        context.log.warning("{} does not reach there; {} does", places.front().location,
                            places[i].location);
        return other;
    }
    return first;
}

Result<ResolvedRecovery> resolve_recovery(const OpsContext& context, const RecoveryWish& wish) {
    ASB_TRY(auto planning, plan_wish(context, wish));
    const auto position = position_text_of(planning.engine.get());
    if (const auto* why = std::get_if<Unreachable>(&planning.planned))
        return unreachable_error(*why, planning.target, position, planning.store->place());
    ResolvedRecovery resolved;
    resolved.place = planning.place;
    resolved.store = std::move(planning.store);
    resolved.history = std::move(planning.history);
    if (planning.target.kind == LogTarget::Kind::name)
        ASB_CHECK(find_name(context, planning, resolved, position));
    else
        ASB_CHECK(take_plan(context, std::get<RecoveryPlan>(std::move(planning.planned)),
                            planning.catalog, resolved));
    cut(resolved);
    auto backups = backups_of(resolved.source.spans);
    backups.push_back(resolved.base);
    ASB_CHECK(add_keys(context, resolved, std::move(backups), resolved.source.spans));
    resolved.text = recovery_text(resolved.history, resolved.plan, position, resolved.found);
    resolved.document = recovery_json(resolved.history, resolved.plan, position, resolved.found);
    return resolved;
}

}  // namespace asb
