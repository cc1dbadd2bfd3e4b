#include "app/program.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "app/command_line.hpp"
#include "app/config_show.hpp"
#include "app/configuration.hpp"
#include "app/drivers.hpp"
#include "app/progress_display.hpp"
#include "base/text.hpp"
#include "codec/digest.hpp"
#include "io/file.hpp"
#include "ops/check.hpp"
#include "ops/contents.hpp"
#include "ops/explain.hpp"
#include "ops/import.hpp"
#include "ops/list.hpp"
#include "ops/verify.hpp"
#include "ops/verify_chain.hpp"

namespace asb {
namespace {

constexpr mode_t kLogFolderMode = 0750;

void put(std::FILE* stream, const std::string& text) {
    [[maybe_unused]] const auto count = std::fwrite(text.data(), 1, text.size(), stream);
}

// Results reach stdout whole, or the run has failed: a full disk behind a redirection is no
// success.
bool flushed() {
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

std::string run_id() {
    std::array<std::byte, 4> bytes{};
    random_bytes(bytes);
    return to_hex(bytes);
}

void put_json(Json document, const char* code, int status) {
    document["code"] = code;
    document["exit"] = status;
    put(stdout, canonical(document) + "\n");
}

void put_json(const Error& error, int status) {
    put_json({{"error", {{"fact", printable(error.fact)}, {"hint", printable(error.hint)}}}},
             code_name(error.code), status);
}

int finish(const Invocation& invocation, const Report& report) {
    const bool asks_for_text = invocation.verb != Verb::backup &&
                               invocation.verb != Verb::restore && invocation.verb != Verb::verify;
    const int status = report.outcome ? exit_status(*report.outcome) : 0;
    if (invocation.json)
        put_json(report.document, report.outcome ? code_name(*report.outcome) : "ok", status);
    else if (asks_for_text || !invocation.quiet)
        put(stdout, report.text);
    if (!flushed()) {
        put(stderr, "cannot write the result to stdout\n");
        return exit_status(Code::failed);
    }
    return status;
}

int finish(bool json, Log* log, const Error& error, int status) {
    if (log != nullptr)
        log->error("{}", to_text(error));
    else
        put(stderr, to_text(error) + "\n");
    if (json) put_json(error, status);
    flushed();
    return status;
}

int status_of(const Error& error, const SignalSide& signals) {
    return error.code == Code::interrupted ? signals.interrupted_status() : exit_status(error.code);
}

// A usage error as the command line's parser has written it out.
Error usage_error(std::string_view text) {
    constexpr std::string_view kHint = "\nhint: ";
    const auto hint = text.find(kHint);
    Error error{.code = Code::usage, .fact = std::string(trim(text.substr(0, hint)))};
    if (hint != std::string_view::npos)
        error.hint = std::string(trim(text.substr(hint + kHint.size())));
    return error;
}

std::string log_name(const Invocation& invocation) {
    if (invocation.verb == Verb::backup && !invocation.backup.dry_run) return "backup.log";
    if (invocation.verb == Verb::restore && !invocation.restore.dry_run) return "restore.log";
    if (invocation.verb == Verb::sync && !invocation.sync.dry_run) return "backup.log";
    if (invocation.verb == Verb::expire && !invocation.expire.dry_run) return "backup.log";
    if (invocation.verb == Verb::verify) return "restore.log";
    if (invocation.verb == Verb::stream && !invocation.stream.status) return "stream.log";
    return {};
}

void open_log(const Invocation& invocation, const Settings& settings, Log& log) {
    const auto name = log_name(invocation);
    if (name.empty()) return;
    const auto& folder = settings.text("LOG_DIR");
    auto opened = make_folders(folder, kLogFolderMode);
    if (opened) opened = log.open_file(folder + "/" + name);
    if (!opened) log.warning("{}; going on without a log file", opened.error().fact);
}

Result<Report> run_verb(const Invocation& invocation, const Configuration& configuration,
                        const OpsContext& context) {
    switch (invocation.verb) {
        case Verb::backup:
            for (const auto& warning : configuration.warnings) context.log.warning("{}", warning);
            return run_backup(context, invocation.backup);
        case Verb::stream:
            if (!invocation.stream.status)
                for (const auto& warning : configuration.warnings)
                    context.log.warning("{}", warning);
            return run_stream(context, invocation.stream);
        case Verb::restore:
            return invocation.restore.from_mongodump.empty()
                       ? run_restore(context, invocation.restore)
                       : run_import(context, invocation.restore);
        case Verb::list:
            return invocation.contents_reference.empty()
                       ? list_backups(context)
                       : list_contents(context, invocation.contents_reference);
        case Verb::verify:
            if (invocation.verify_shallow)
                return verify_shallow(context, invocation.verify_reference);
            return invocation.verify_chain ? verify_chain(context, invocation.verify_reference)
                                           : verify_backup(context, invocation.verify_reference);
        case Verb::explain:
            return explain_target(context,
                                  {.words = invocation.explain, .backup = invocation.explain_from});
        case Verb::sync:
            return run_sync(context, invocation.sync);
        case Verb::expire:
            return run_expire(context, invocation.expire);
        case Verb::hold:
            return run_hold(context, invocation.hold);
        case Verb::check:
            return run_check(context);
        case Verb::config_show:
            return show_configuration(configuration);
        case Verb::fetch_wal:
            break;  // has no configuration: run_program
        case Verb::config_reference: {
            Report report;
            report.text = configuration_reference(context.drivers);
            report.document = {{"reference", report.text}};
            return report;
        }
    }
    return fail(Code::usage, "no such verb");
}

const char* environment(const char* name) {
    return std::getenv(name);
}

Result<Configuration> configure(const Invocation& invocation,
                                const std::vector<const Option*>& options) {
    const char* scripts = environment("AUTH_SERVICE_BACKUP_SCRIPTS_DIR");
    return load_configuration(options, {.command_line = invocation.settings,
                                        .environment = environment,
                                        .config_path = invocation.config_path,
                                        .scripts_dir = scripts == nullptr ? "" : scripts});
}

Log::Options log_options(const Invocation& invocation) {
    return {.run_id = run_id(),
            .stderr_level = invocation.verbose ? LogLevel::debug : LogLevel::warning,
            .stderr_enabled = true};
}

int run_invocation(Invocation invocation, const Drivers& drivers,
                   const std::vector<const Option*>& options, const StopToken& stop,
                   const SignalSide& signals) {
    const auto configuration = configure(invocation, options);
    if (!configuration)
        return finish(invocation.json, nullptr, configuration.error(),
                      status_of(configuration.error(), signals));
    Log log(log_options(invocation));
    signals.note_log(&log);
    open_log(invocation, configuration->settings, log);
    Progress progress;
    const OpsContext context{.settings = configuration->settings,
                             .drivers = drivers,
                             .log = log,
                             .progress = progress,
                             .stop = stop,
                             .tool_version = kToolVersion};
    invocation.restore.request.jobs = static_cast<unsigned>(job_count(configuration->settings));
    auto report = [&] {
        const ProgressDisplay display(progress, invocation.progress, log);
        return run_verb(invocation, *configuration, context);
    }();
    const int status =
        report ? finish(invocation, *report)
               : finish(invocation.json, &log, report.error(), status_of(report.error(), signals));
    log.info("exit {}", status);
    signals.note_log(nullptr);
    return status;
}

}  // namespace

int run_program(int argc, const char* const* argv, const StopToken& stop,
                const SignalSide& signals) {
    const auto drivers = all_drivers();
    const auto options = all_options(drivers);
    auto parsed = parse_command_line(argc, argv, options);
    if (!parsed.invocation) {
        if (parsed.exit_status == 0) {
            put(stdout, parsed.text);
            return flushed() ? 0 : exit_status(Code::failed);
        }
        put(stderr, parsed.text);
        if (parsed.json) put_json(usage_error(parsed.text), parsed.exit_status);
        return parsed.exit_status;
    }
    if (parsed.invocation->verb == Verb::fetch_wal)
        return fetch_wal(parsed.invocation->fetch, drivers);
    return run_invocation(std::move(*parsed.invocation), drivers, options, stop, signals);
}

}  // namespace asb
