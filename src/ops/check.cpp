#include "ops/check.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/text.hpp"
#include "ops/sources.hpp"
#include "repo/catalog.hpp"
#include "repo/log_tail.hpp"

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

CheckLine check_writable(const Place& place) {
    const auto room = place.driver->check_writable(place.location);
    if (!room) return failed("repository", room.error());
    return line(Verdict::ok, "repository",
                *room
                    ? fmt::format("{} can be written, {} free", place.location, human_bytes(**room))
                    : fmt::format("{} can be written", place.location));
}

CheckLine check_catalog(const OpsContext& context, const Place& place) {
    const auto store = place.driver->open_reader(place.location);
    if (!store) return failed("catalog", store.error());
    const auto catalog = load_catalog(**store, job_count(context.settings));
    if (!catalog) return failed("catalog", catalog.error());
    std::vector<std::string> damaged;
    for (const auto& entry : catalog->entries)
        if (entry.state == CatalogEntry::State::damaged) damaged.push_back(entry.name);
    if (!damaged.empty())
        return {.verdict = Verdict::fail,
                .subject = "catalog",
                .detail = fmt::format("{} of {} backups are damaged: {}", damaged.size(),
                                      catalog->entries.size(), join(damaged, ", ")),
                .fix = "restore --list says what is wrong with each; take a new full backup",
                .code = Code::damaged};
    if (catalog->latest() == nullptr)
        return line(Verdict::warn, "catalog", "no backup yet", "backup.sh --type full");
    return line(Verdict::ok, "catalog",
                fmt::format("{}, the newest of {}", counted(catalog->entries.size(), "backup"),
                            to_readable(catalog->latest()->manifest.started_at)));
}

// Whether the next incremental backup or stream can go on where the repository ends.
std::vector<CheckLine> check_log(const OpsContext& context, Engine& database) {
    const auto look = [&]() -> Result<std::vector<LogTail>> {
        ASB_TRY(const auto place, repository_place(context));
        ASB_TRY(const auto store, place.driver->open_reader(place.location));
        ASB_TRY(const auto catalog, load_catalog(*store, job_count(context.settings)));
        return log_tails(*store, catalog, database.name());
    };
    const auto tails = look();
    if (!tails) return {};  // told by the lines of the repository
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
    if (const auto place = repository_place(context)) {
        lines.push_back(check_writable(*place));
        lines.push_back(check_catalog(context, *place));
    } else {
        lines.push_back(failed("repository", place.error()));
    }
    if (const auto database = open_database_engine(context)) {
        append(lines, (*database)->check(context.stop));
        append(lines, check_log(context, **database));
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
    const auto lines = all_lines(context);
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
