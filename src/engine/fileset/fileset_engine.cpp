#include "engine/fileset/fileset_engine.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/fileset/environment.hpp"
#include "engine/fileset/file_walk.hpp"
#include "engine/fileset/fileset_restore.hpp"
#include "engine/fileset/fileset_session.hpp"
#include "engine/fileset/log_positions.hpp"
#include "engine/fileset/words.hpp"

namespace asb {
namespace fileset {
namespace {

constexpr std::array<Option, 5> kOptions = {{
    {.name = "CONFIG_PATHS",
     .kind = OptionKind::list,
     .default_value = "",
     .summary = "colon-separated files, folders and globs of the application's configuration"},
    {.name = "CERTIFICATE_PATHS",
     .kind = OptionKind::list,
     .default_value = "",
     .summary = "colon-separated files, folders and globs of certificates and their keys"},
    {.name = "LOG_PATHS",
     .kind = OptionKind::list,
     .default_value = "",
     .summary = "colon-separated files, folders and globs of the application's logs"},
    {.name = "LOG_MAX_AGE_DAYS",
     .kind = OptionKind::number,
     .default_value = "7",
     .summary = "log files not written to for this many days are left out (0: none is)"},
    {.name = "ENVIRONMENT_NAMES",
     .kind = OptionKind::list,
     .default_value = "",
     .summary = "colon-separated names or PREFIX_* of environment settings to record; needs "
                "ENCRYPTION_ENABLED=true"},
}};

constexpr std::array<Component, kAreas.size() + 2> kComponents = {{
    {kAreas[0].component, kAreas[0].prefix},
    {kAreas[1].component, kAreas[1].prefix},
    {kAreas[2].component, kAreas[2].prefix},
    {kAreas[kLogArea].component, kPiecesPrefix},
    {kAreas[kLogArea].component, kPositionsName},
}};

WalkRequest walk_request(const Settings& settings) {
    WalkRequest request;
    for (std::size_t area = 0; area < kAreas.size(); ++area)
        request.paths.at(area) = settings.list(kAreas.at(area).setting);
    request.log_days_max = settings.number("LOG_MAX_AGE_DAYS");
    request.now = now();
    return request;
}

Result<RecordedEnvironment> environment_of(const Settings& settings) {
    const auto names = settings.list("ENVIRONMENT_NAMES");
    if (names.empty()) return RecordedEnvironment{};
    if (!settings.flag("ENCRYPTION_ENABLED"))
        return with_hint(
            fail(Code::usage,
                 "ENVIRONMENT_NAMES records settings that may be secret, and ENCRYPTION_ENABLED is "
                 "false"),
            "set ENCRYPTION_ENABLED=true, or leave ENVIRONMENT_NAMES empty");
    return record_environment(names, process_environment());
}

// A file that would be stored under the name of the recorded settings.
Status check_clash(const FileSet& files, const RecordedEnvironment& environment) {
    if (environment.count == 0) return {};
    for (const auto& found : files.entries)
        if (found.name == kEnvironmentName || found.name.starts_with("config/environment/"))
            return with_hint(
                fail(Code::usage, "{} and ENVIRONMENT_NAMES would both be stored as {}",
                     printable(found.path), kEnvironmentName),
                "take one of the two out of the settings");
    return {};
}

Error all_unreadable(const FileSet& files) {
    auto error = files.unreadable.front().what;
    if (files.unreadable.size() > 1)
        error.fact +=
            fmt::format(" (and {} more; `check` names them)", files.unreadable.size() - 1);
    return error;
}

Result<std::vector<LogPosition>> parent_positions(const SessionContext& context) {
    if (!context.parent_entry)
        return fail(Code::not_found, "there is no backup that logs can go on from");
    ASB_TRY(const auto text, context.parent_entry(std::string(kPositionsName)));
    if (!text) return fail(Code::not_found, "the backup before this one has no {}", kPositionsName);
    return parse_positions(*text);
}

// What the backup before this one has of the logs. Where that cannot be told, nothing: then they
// are stored whole.
Result<KnownLogs> known_logs(const FileSet& files, const SessionContext& context) {
    if (std::ranges::none_of(files.entries,
                             [](const Found& found) { return found.type == EntryType::file; }))
        return KnownLogs();
    auto positions = parent_positions(context);
    if (positions.ok()) return KnownLogs(std::move(positions.value()));
    if (positions.error().code == Code::interrupted) return positions.error();
    context.log.debug("all logs are stored whole: {}", positions.error().fact);
    return KnownLogs();
}

using Verdict = CheckLine::Verdict;

CheckLine line(Verdict verdict, std::string_view subject, std::string detail) {
    CheckLine made;
    made.verdict = verdict;
    made.subject = subject;
    made.detail = std::move(detail);
    return made;
}

CheckLine error_line(std::string_view subject, const Error& error) {
    auto made = line(Verdict::fail, subject, error.fact);
    made.fix = error.hint;
    made.code = error.code;
    return made;
}

// One area that has paths configured.
std::vector<CheckLine> check_area(const FileSet& files, std::size_t area) {
    const auto subject = kAreas.at(area).setting;
    std::vector<CheckLine> lines;
    for (const auto& [where, error] : files.unreadable)
        if (where == area) lines.push_back(error_line(subject, error));
    for (const auto& [where, warning] : files.warnings)
        if (where == area) lines.push_back(line(Verdict::warn, subject, warning));
    if (!lines.empty()) return lines;
    PathCount sum;
    for (const auto& path : files.paths)
        if (path.area == area) sum.files += path.files, sum.bytes += path.bytes;
    return {line(Verdict::ok, subject,
                 fmt::format("{}, {}", counted(sum.files, "file"), human_bytes(sum.bytes)))};
}

class FilesetEngine final : public Engine {
  public:
    FilesetEngine(const Settings& settings, ReadHook hook)
        : settings_(settings), hook_(std::move(hook)) {}

    [[nodiscard]] std::string_view name() const override { return "fileset"; }
    [[nodiscard]] std::span<const Component> components() const override { return kComponents; }

    std::vector<CheckLine> check(StopToken stop) override {
        const auto request = walk_request(settings_);
        const auto files = walk(request, stop);
        if (!files.ok()) return {error_line("files", files.error())};
        std::vector<CheckLine> lines;
        for (std::size_t area = 0; area < kAreas.size(); ++area) {
            if (request.paths.at(area).empty()) continue;
            for (auto& made : check_area(files.value(), area)) lines.push_back(std::move(made));
        }
        for (auto& made : check_environment()) lines.push_back(std::move(made));
        if (lines.empty()) lines.push_back(line(Verdict::ok, "files", "none configured"));
        return lines;
    }

    Result<std::unique_ptr<BackupSession>> open_session(SessionContext context) override {
        ASB_TRY(auto environment, environment_of(settings_));
        ASB_TRY(auto files, walk(walk_request(settings_), context.stop));
        if (!files.unreadable.empty()) return all_unreadable(files);
        ASB_CHECK(check_clash(files, environment));
        return std::unique_ptr<BackupSession>(std::make_unique<FilesetSession>(
            std::move(files), std::move(environment), std::move(context), hook_));
    }

    Result<std::unique_ptr<BackupSession>> open_incremental(SessionContext context) override {
        auto request = walk_request(settings_);
        for (std::size_t area = 0; area < kAreas.size(); ++area)
            if (area != kLogArea) request.paths.at(area).clear();
        ASB_TRY(auto files, walk(request, context.stop));
        if (!files.unreadable.empty()) return all_unreadable(files);
        ASB_TRY(auto known, known_logs(files, context));
        return std::unique_ptr<BackupSession>(std::make_unique<FilesetSession>(
            std::move(files), RecordedEnvironment{}, std::move(context), hook_, std::move(known)));
    }

    Result<RestorePlan> plan_restore(const RestoreRequest& request, const Json& facts) override {
        return fileset::plan_restore(request, facts);
    }

    Result<std::unique_ptr<RestoreSession>> open_restore(const RestoreRequest& request,
                                                         const Json& facts,
                                                         SessionContext context) override {
        return fileset::open_restore(request, facts, std::move(context));
    }

    Result<std::vector<bool>> choose_entries(const RestoreRequest& request, const Json& /*facts*/,
                                             std::span<const StoredEntry> entries) override {
        return choose_files(request, entries);
    }

    std::vector<ContentLine> contents(const Json& /*facts*/,
                                      std::span<const StoredEntry> entries) override {
        return list_files(entries);
    }

  private:
    std::vector<CheckLine> check_environment() {
        if (settings_.list("ENVIRONMENT_NAMES").empty()) return {};
        const std::string subject = "ENVIRONMENT_NAMES";
        const auto environment = environment_of(settings_);
        if (!environment.ok()) return {error_line(subject, environment.error())};
        std::vector<CheckLine> lines;
        for (const auto& warning : environment.value().warnings)
            lines.push_back(line(Verdict::warn, subject, warning));
        if (lines.empty())
            lines.push_back(
                line(Verdict::ok, subject, fmt::format("{} settings", environment.value().count)));
        return lines;
    }

    const Settings& settings_;
    ReadHook hook_;
};

std::unique_ptr<Engine> open_driver(const Settings& settings) {
    return open_engine(settings, {});
}

}  // namespace

std::unique_ptr<Engine> open_engine(const Settings& settings, ReadHook hook) {
    return std::make_unique<FilesetEngine>(settings, std::move(hook));
}

}  // namespace fileset

constinit const EngineDriver kFilesetEngine{
    .name = "fileset",
    .summary = "configuration, certificates, recent logs and environment settings",
    .url_schemes = {},
    .options = fileset::kOptions,
    .open = fileset::open_driver};

}  // namespace asb
