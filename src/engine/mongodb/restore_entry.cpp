#include "engine/mongodb/restore_entry.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/oplog_mark.hpp"
#include "engine/mongodb/restore_scope.hpp"
#include "engine/mongodb/restore_session.hpp"

namespace asb {
namespace {

using namespace mongodb;

// A restore as decided: places looked at, nothing made.
struct Decided {
    MongoRestoreOptions options;
    std::vector<std::string> replaces;
    std::string address;
};

Result<RestoreScope> decide_scope(const Settings& settings, const RestoreRequest& request,
                                  const Json& facts) {
    if (!request.target_dir.empty())
        return with_hint(fail(Code::usage, "--target-dir is not for MongoDB"),
                         "leave it out: the target is the database of DATABASE_URL");
    const auto& text = settings.text("DATABASE_URL");
    if (text.empty())
        return with_hint(fail(Code::usage, "there is no database to restore into"),
                         "set DATABASE_URL");
    ASB_TRY(const auto url, MongoUrl::parse(text));
    return RestoreScope::decide(url, request, facts);
}

std::string fact_text(const Json& facts, const char* key) {
    const auto found = facts.find(key);
    return found != facts.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Where the backup's own oplog ends: nothing before it can be restored, since its documents were
// read until then. 0 without one.
Result<Position> decide_base_end(const RestoreRequest& request, const Json& facts) {
    const auto text = fact_text(facts, "end_optime");
    if (text.empty() && request.recovery)
        return with_hint(fail(Code::unreachable_target,
                              "the backup is not consistent: no log can be replayed on it"),
                         "restore it as it is, or choose a later backup");
    if (text.empty()) return Position{0};
    ASB_TRY(const auto end, parse_optime(text));
    const Position base_end = point_of(end);
    if (!request.recovery || !request.recovery->stop) return base_end;
    const LogStop& stop = *request.recovery->stop;
    const bool in_reach = stop.inclusive ? stop.point.at >= base_end : stop.point.at > base_end;
    if (in_reach) return base_end;
    return with_hint(fail(Code::unreachable_target, "the backup is of {}, later than {}{}", text,
                          stop.inclusive ? "" : "just before ", position_text(stop.point.at)),
                     "choose an older backup");
}

Status check_versions(const MongoFacts& server, const Json& facts) {
    ASB_CHECK(check_mongo_version(server));
    const auto version = fact_text(facts, "version");
    const auto major = parse_u64(version.substr(0, version.find('.')));
    if (!major || static_cast<int>(*major) <= server.version_major) return {};
    return with_hint(fail(Code::database, "the backup is of MongoDB {}, the target is {}",
                          printable(version), printable(server.version)),
                     "restore into a server of the same or a newer major version");
}

Status check_writable(const MongoFacts& server, const std::string& address) {
    using Kind = MongoFacts::Kind;
    if (server.kind != Kind::secondary && server.kind != Kind::other) return {};
    return with_hint(
        fail(Code::database, "the server at {} takes no writes: it is not the primary", address),
        "name all members of the set, or the primary, in DATABASE_URL");
}

bool is_leftover(const std::string& name, const std::optional<SwapJournal>& journal) {
    return name == kJournalCollection || (journal && name.ends_with(staged_suffix(journal->id)));
}

// What of `home` would be replaced, as lines; refuses what may not be.
Status look_at(MongoConnection& connection, const std::string& home, const RestoreRequest& request,
               Decided& decided) {
    ASB_TRY(const auto journal, read_journal(connection, home));
    if (journal && is_running(*journal))
        return with_hint(fail(Code::busy, "another restore into {} is under way ({})",
                              printable(home), printable(journal->owner)),
                         "wait until it has ended");
    if (journal)
        decided.replaces.push_back(
            fmt::format("what a restore that died left in {} ({})", home,
                        journal->swapping ? "its swap is finished first" : "dropped"));
    ASB_TRY(const auto present, list_collections(connection, home));
    for (const auto& collection : present) {
        if (is_leftover(collection.name, journal) || collection.name == "system.js" ||
            collection.name.find("__before_") != std::string::npos ||
            !decided.options.scope.replaces(home, collection.name))
            continue;
        const auto name = fmt::format("{}.{}", home, printable(collection.name));
        if (!request.force)
            return with_hint(
                fail(Code::refused, "the target is not empty: it holds {}", name),
                "add --force: what is there is moved aside and kept, or choose an empty database");
        if (collection.type == "timeseries" && !request.drop_old)
            return with_hint(
                fail(Code::refused, "{} is a time series, which a server cannot rename", name),
                "add --drop-old, so that it may be dropped, or restore into another database");
        decided.replaces.push_back(
            fmt::format("{} ({})", name,
                        request.drop_old ? "dropped afterwards" : "kept as <name>__before_<id>"));
    }
    return {};
}

Result<Decided> decide(const Settings& settings, const RestoreRequest& request, const Json& facts,
                       const StopToken& stop) {
    ASB_TRY(auto scope, decide_scope(settings, request, facts));
    ASB_TRY(auto url, MongoUrl::parse(settings.text("DATABASE_URL")));
    ASB_TRY(auto connection, MongoConnection::open(url, stop));
    ASB_TRY(const auto server, connection.facts());
    ASB_CHECK(check_versions(server, facts));
    ASB_CHECK(check_writable(server, url.address()));
    ASB_TRY(const auto base_end, decide_base_end(request, facts));
    Decided decided{.options = {.url = url,
                                .scope = std::move(scope),
                                .jobs = std::max(1U, request.jobs),
                                .force = request.force,
                                .drop_old = request.drop_old,
                                .has_oplog = !fact_text(facts, "end_optime").empty(),
                                .base_end = base_end,
                                .stop = request.recovery ? request.recovery->stop : std::nullopt},
                    .replaces = {},
                    .address = url.address()};
    for (const auto& home : decided.options.scope.homes())
        if (home != "admin") ASB_CHECK(look_at(connection, home, request, decided));
    return decided;
}

// As far as the manifest tells: a server's own databases are no reason to restore it.
bool holds_no_collection(const Json& facts) {
    const auto collections = facts.find("collections");
    if (collections != facts.end() && *collections == 0) return true;
    const auto databases = facts.find("databases");
    if (databases == facts.end() || !databases->is_array()) return false;
    return std::ranges::all_of(*databases, [](const Json& name) {
        return name == "admin" || name == "config" || name == "local";
    });
}

std::string replay_end(const MongoRestoreOptions& options) {
    if (!options.has_oplog) return "no position: the backup has none";
    if (!options.stop) return position_text(options.base_end);
    return fmt::format("{}{}", options.stop->inclusive ? "" : "just before ",
                       position_text(options.stop->point.at));
}

}  // namespace

Result<RestorePlan> plan_mongodb_restore(const Settings& settings, const RestoreRequest& request,
                                         const Json& facts) {
    ASB_TRY(const auto decided, decide(settings, request, facts, StopToken()));
    RestorePlan plan;
    plan.replaces = decided.replaces;
    plan.steps = {
        fmt::format("stage the collections of {} at {} beside what is there, with {} jobs ({})",
                    join(decided.options.scope.homes(), ", "), decided.address,
                    decided.options.jobs, human_bytes(request.data_bytes)),
        fmt::format("replay the oplog to {}, count the documents, build the indexes",
                    replay_end(decided.options)),
        "rename into place, with a journal in each database; then views and time series",
    };
    if (holds_no_collection(facts))
        plan.steps.push_back(
            fmt::format("warning: the full backup holds no database (no collection of one){}; list "
                        "shows the other backups, for --backup-file NAME",
                        request.recovery ? ": only what its log adds comes back" : ""));
    if (!decided.options.scope.partial())
        plan.steps.emplace_back("merge users, roles and functions; the user who restores stays");
    return plan;
}

Result<std::unique_ptr<RestoreSession>> open_mongodb_restore(const Settings& settings,
                                                             const RestoreRequest& request,
                                                             const Json& facts,
                                                             SessionContext context) {
    {
        // What a restore that died left may be in the way: in order first, then looked at.
        ASB_TRY(const auto scope, decide_scope(settings, request, facts));
        ASB_TRY(const auto url, MongoUrl::parse(settings.text("DATABASE_URL")));
        ASB_TRY(auto connection, MongoConnection::open(url, context.stop));
        for (const auto& home : scope.homes())
            if (home != "admin") ASB_CHECK(recover_database(connection, home, context.log));
    }
    ASB_TRY(auto decided, decide(settings, request, facts, context.stop));
    ASB_TRY(auto session,
            MongoRestoreSession::open(std::move(decided.options), std::move(context)));
    return std::unique_ptr<RestoreSession>(std::move(session));
}

Result<std::vector<bool>> choose_mongodb_entries(const Settings& settings,
                                                 const RestoreRequest& request, const Json& facts,
                                                 std::span<const StoredEntry> entries) {
    ASB_TRY(const auto scope, decide_scope(settings, request, facts));
    std::vector<bool> chosen;
    std::vector<std::string> names;
    chosen.reserve(entries.size());
    for (const auto& stored : entries) {
        const auto entry = parse_mongo_entry(stored.name);
        if (!entry) {
            chosen.push_back(false);
            continue;
        }
        if (entry->kind == MongoEntry::Kind::prelude || is_oplog(entry->kind)) {
            chosen.push_back(entry->kind != MongoEntry::Kind::oplog_before);
            continue;
        }
        // A shortened name is known from its metadata only: read, and judged by the session.
        const auto name = namespace_of(entry->database, entry->stem);
        chosen.push_back(!name || scope.wants(name->database, name->collection));
        // Users and roles come with a whole restore only.
        if (name && RestoreScope::is_kept(name->database, name->collection)) continue;
        if (entry->stem.starts_with(kAdminCopyPrefix)) continue;
        names.push_back(entry->database);
        if (name) names.push_back(fmt::format("{}.{}", name->database, name->collection));
    }
    // The log that follows may make what is asked for: the session says so at its end.
    const auto unmatched = request.recovery ? std::vector<std::string>() : scope.unmatched(names);
    if (unmatched.empty()) return chosen;
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    constexpr std::size_t kNamesShown = 20;
    if (names.size() > kNamesShown) names.resize(kNamesShown);
    return with_hint(
        fail(Code::not_found, "--only: the backup holds no {}", printable(join(unmatched, ", "))),
        fmt::format("it holds {}", printable(join(names, ", "))));
}

std::vector<ContentLine> mongodb_contents(std::span<const StoredEntry> entries) {
    std::map<std::string, std::map<std::string, std::uint64_t>> databases;
    for (const auto& stored : entries) {
        const auto entry = parse_mongo_entry(stored.name);
        if (!entry || entry->database.empty()) continue;
        const auto name = namespace_of(entry->database, entry->stem);
        // Users and roles are no collections that could be asked for.
        if (name && RestoreScope::is_kept(name->database, name->collection)) continue;
        if (entry->stem.starts_with(kAdminCopyPrefix)) continue;
        auto& bytes = databases[entry->database][name ? name->collection : entry->stem];
        if (entry->kind == MongoEntry::Kind::data) bytes += stored.size;
    }
    std::vector<ContentLine> lines;
    for (const auto& [database, collections] : databases) {
        std::uint64_t sum = 0;
        for (const auto& [collection, bytes] : collections) sum += bytes;
        lines.push_back({.kind = "database", .name = database, .bytes = sum});
        for (const auto& [collection, bytes] : collections)
            lines.push_back({.kind = "collection",
                             .name = fmt::format("{}.{}", database, collection),
                             .bytes = bytes});
    }
    return lines;
}

}  // namespace asb
