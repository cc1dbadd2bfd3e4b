#include "ops/check.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <system_error>

#include "base/text.hpp"
#include "ops/destinations.hpp"
#include "ops/known_head.hpp"
#include "ops/opened.hpp"
#include "ops/sources.hpp"
#include "repo/catalog.hpp"
#include "repo/log_tail.hpp"
#include "repo/manifest_history.hpp"
#include "repo/removal_record.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

using Verdict = CheckLine::Verdict;

CheckLine failed(std::string subject, const Error& error) {
    return {.verdict = Verdict::fail,
            .subject = std::move(subject),
            .detail = error.fact,
            .fix = error.hint,
            .code = error.code};
}

CheckLine line(Verdict verdict, std::string subject, std::string detail, std::string fix = {}) {
    return {.verdict = verdict,
            .subject = std::move(subject),
            .detail = std::move(detail),
            .fix = std::move(fix)};
}

CheckLine check_key(const OpsContext& context) {
    if (!context.settings.flag("ENCRYPTION_ENABLED"))
        return line(Verdict::warn, "encryption",
                    "off: backups are readable by whoever reads the repository",
                    "set ENCRYPTION_ENABLED=true and BACKUP_ENCRYPTION_KEY_FILE");
    const auto provider = open_key_provider(context);
    if (!provider) return failed("encryption key", provider.error());
    return line(Verdict::ok, "encryption key",
                fmt::format("set, provider {}", (*provider)->name()));
}

CheckLine check_writable(const OpsContext& context, const Place& place) {
    const auto room = place.check_writable(context);
    if (!room) return failed("repository", room.error());
    if (const auto warning = place.room_warning(context); !warning.empty())
        return line(Verdict::warn, "repository", warning, "auth-service-backup expire --dry-run");
    return line(Verdict::ok, "repository",
                *room
                    ? fmt::format("{} can be written, {} free", place.location, human_bytes(**room))
                    : fmt::format("{} can be written", place.location));
}

// What one destination holds.
struct Held {
    Place place;
    std::string name;
    std::unique_ptr<StoreReader> store;
    Catalog catalog;
    RemovalRecords removals;
};

Result<Held> look_into(const OpsContext& context, const Place& place) {
    Held held{.place = place, .name = place.location, .store = {}, .catalog = {}, .removals = {}};
    ASB_TRY(held.store, place.open_reader(context));
    held.name = held.store->place();
    ASB_TRY(held.catalog, load_catalog(*held.store, job_count(context.settings)));
    ASB_TRY(held.removals, load_removal_records(*held.store));
    return held;
}

// Clocks of machines that back up the same database may differ by so much.
constexpr std::chrono::hours kClockSkewMax{1};

// `has_copies`: whether another destination holds backups.
CheckLine check_catalog(const Held& held, bool has_copies) {
    std::vector<std::string> damaged;
    for (const auto& entry : held.catalog.entries)
        if (entry.state == CatalogEntry::State::damaged) damaged.push_back(entry.name);
    if (!damaged.empty())
        return {.verdict = Verdict::fail,
                .subject = "catalog",
                .detail = fmt::format("{} of {} backups are damaged: {}", damaged.size(),
                                      held.catalog.entries.size(), join(damaged, ", ")),
                .fix = has_copies ? "auth-service-backup sync --repair"
                                  : "restore --list says what is wrong with each; take a new full "
                                    "backup",
                .code = Code::damaged};
    if (held.catalog.latest() == nullptr)
        return line(Verdict::warn, "catalog", "no backup yet",
                    has_copies ? "is it mounted? if it is new: auth-service-backup sync"
                               : "backup.sh --type full");
    const auto& latest = *held.catalog.latest();
    if (latest.manifest.started_at > now() + kClockSkewMax)
        return line(Verdict::warn, "catalog",
                    fmt::format("{}, the latest, is of {}, which is not yet: a clock was wrong",
                                latest.name, to_readable(latest.manifest.started_at)),
                    "until then verify and restore backups by their names: latest means this one");
    return line(Verdict::ok, "catalog",
                fmt::format("{}, the newest of {}", counted(held.catalog.entries.size(), "backup"),
                            to_readable(latest.manifest.started_at)));
}

// Whether backups were taken away by somebody who is not this program.
std::optional<CheckLine> check_history(const OpsContext& context, const Held& held) {
    const auto found =
        check_manifest_history(held.catalog, held.removals, known_head(context, held.name));
    if (found.ok()) return std::nullopt;
    return line(Verdict::warn, "history",
                fmt::format("the list of backups in {} does not match its own history: {}",
                            held.place.location, found.findings.front().text),
                "retention stands still until then: docs/retention.md, what stops retention");
}

// Whether the key that is set opens the newest backup that has one.
std::optional<CheckLine> check_key_opens(const OpsContext& context, const Held& held) {
    if (!open_key_provider(context)) return std::nullopt;
    const auto newest = open_newest_sealed(context, *held.store, held.catalog);
    if (!newest || newest->opens.ok() || newest->opens.error().code != Code::wrong_key)
        return std::nullopt;
    return line(Verdict::warn, "encryption key",
                fmt::format("it does not open {}, the newest backup in {}", newest->name,
                            held.place.location),
                "set the key that made it; with this one the next backup is a full one");
}

// Whether each destination has what any of them has, and what no policy removed.
std::optional<CheckLine> check_copies(const std::vector<Held>& all) {
    std::set<std::string_view> names;
    for (const auto& held : all)
        for (const auto& entry : held.catalog.entries) names.insert(entry.name);
    for (const auto& held : all)
        for (const auto& record : held.removals.records)
            for (const auto& backup : record.backups) names.erase(backup.name);
    std::vector<std::string> gaps;
    for (const auto& held : all) {
        const auto lacking = std::ranges::count_if(
            names, [&](const auto& name) { return held.catalog.find(name) == nullptr; });
        if (lacking != 0) gaps.push_back(fmt::format("{} lacks {}", held.name, lacking));
    }
    if (gaps.empty()) return std::nullopt;
    return CheckLine{
        .verdict = Verdict::fail,
        .subject = "copies",
        .detail = fmt::format("of {} {}", counted(names.size(), "backup"), join(gaps, ", ")),
        .fix = "auth-service-backup sync",
        .code = Code::incomplete};
}

// Whether what has one name is one backup: two runs that did not know of each other's destinations
// may have taken the same second.
std::optional<CheckLine> check_twins(const std::vector<Held>& all) {
    std::map<std::string_view, std::pair<const Held*, Digest>> seen;
    for (const auto& held : all)
        for (const auto& entry : held.catalog.entries) {
            if (entry.state != CatalogEntry::State::ok) continue;
            const auto [known, is_new] =
                seen.try_emplace(entry.name, std::pair(&held, entry.digest));
            if (!is_new && known->second.second != entry.digest)
                return CheckLine{
                    .verdict = Verdict::fail,
                    .subject = "copies",
                    .detail = fmt::format("{} is one backup in {} and another in {}", entry.name,
                                          known->second.first->name, held.name),
                    .fix = "docs/stores.md, one name and two backups",
                    .code = Code::incomplete};
        }
    return std::nullopt;
}

// `all` gets what each destination that can be read holds.
std::vector<CheckLine> check_repositories(const OpsContext& context, std::vector<Held>& all) {
    const auto places = repository_places(context);
    if (!places) return {failed("repository", places.error())};
    std::vector<CheckLine> lines;
    if (const auto required = required_destinations(context.settings, places->size()); !required)
        lines.push_back(failed("destinations", required.error()));
    std::vector<Result<Held>> looked;
    looked.reserve(places->size());
    for (const auto& place : *places) looked.push_back(look_into(context, place));
    const auto with_backups = std::ranges::count_if(
        looked, [](const auto& held) { return held && held->catalog.latest() != nullptr; });
    for (std::size_t i = 0; i < looked.size(); ++i) {
        auto& held = looked[i];
        lines.push_back(check_writable(context, (*places)[i]));
        const bool has_own = held && held->catalog.latest() != nullptr;
        lines.push_back(held ? check_catalog(*held, with_backups > (has_own ? 1 : 0))
                             : failed("catalog", held.error()));
        if (looked.size() > 1) lines.back().subject += " of " + (*places)[i].location;
        if (!held) continue;
        if (auto history = check_history(context, *held)) lines.push_back(std::move(*history));
        if (auto key = check_key_opens(context, *held)) lines.push_back(std::move(*key));
        all.push_back(std::move(*held));
    }
    if (auto copies = check_copies(all)) lines.push_back(std::move(*copies));
    if (auto twins = check_twins(all)) lines.push_back(std::move(*twins));
    return lines;
}

// Whether the next incremental backup or stream can go on where the repository ends with which one
// gets furthest.
std::vector<CheckLine> check_log(const OpsContext& context, const std::vector<Held>& all,
                                 Engine& database) {
    const Held* furthest = nullptr;
    Reached most;
    for (const auto& held : all) {
        const auto history = load_log_history(*held.store, held.catalog);
        if (!history) continue;  // told by the lines of the repositories
        auto reached = how_far(held.catalog, *history);
        if (furthest != nullptr && reached <= most) continue;
        furthest = &held;
        most = std::move(reached);
    }
    if (furthest == nullptr) return {};
    const auto tails = log_tails(*furthest->store, furthest->catalog, database.name());
    if (!tails) return {};  // likewise
    return database.check_log(*tails, context.stop);
}

CheckLine check_log_folder(const OpsContext& context) {
    const auto& folder = context.settings.text("LOG_DIR");
    if (access(folder.c_str(), W_OK | X_OK) == 0) return line(Verdict::ok, "log folder", folder);
    return line(Verdict::warn, "log folder",
                fmt::format("{}: {}", folder, std::generic_category().message(errno)),
                fmt::format("sudo install -d -o $(id -un) {}", shell_quote(folder)));
}

void append(std::vector<CheckLine>& lines, std::vector<CheckLine> more) {
    std::ranges::move(more, std::back_inserter(lines));
}

std::vector<CheckLine> all_lines(const OpsContext& context) {
    std::vector<CheckLine> lines = {check_key(context)};
    std::vector<Held> all;
    append(lines, check_repositories(context, all));
    if (const auto database = open_database_engine(context)) {
        append(lines, (*database)->check(context.stop));
        append(lines, check_log(context, all, **database));
    } else {
        lines.push_back(failed("database", database.error()));
    }
    for (const auto* driver : context.drivers.engines)
        if (driver->url_schemes.empty())
            append(lines, driver->open(context.settings)->check(context.stop));
    lines.push_back(check_log_folder(context));
    return lines;
}

const char* word(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::warn:
            return "warn";
        case Verdict::fail:
            return "FAIL";
    }
    return "FAIL";
}

}  // namespace

Result<Report> run_check(const OpsContext& context) {
    const BriefContext brief(context);
    const auto lines = all_lines(brief.get());
    ASB_CHECK(context.stop.check());
    Report report;
    report.document = {{"checks", Json::array()}};
    for (const auto& item : lines) {
        report.text += fmt::format("{:<5}{}: {}\n", word(item.verdict), printable(item.subject),
                                   printable(item.detail));
        if (!item.fix.empty()) report.text += fmt::format("     fix: {}\n", printable(item.fix));
        report.document["checks"].push_back({{"verdict", word(item.verdict)},
                                             {"subject", printable(item.subject)},
                                             {"detail", printable(item.detail)},
                                             {"fix", printable(item.fix)}});
        if (item.verdict == Verdict::fail && !report.outcome) report.outcome = item.code;
    }
    return report;
}

}  // namespace asb
