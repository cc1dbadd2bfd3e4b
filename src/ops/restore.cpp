#include "ops/restore.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/consistency.hpp"
#include "ops/opened.hpp"
#include "ops/routing.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUnpackByHand =
    "an archive of another program is unpacked with stock tools: openssl enc -d -aes-256-cbc "
    "-pbkdf2 ... | tar -xz";

// An engine that takes part: what of it was asked for, and what the backup says about it.
struct Part {
    std::unique_ptr<Engine> engine;
    Json facts;
    RestoreRequest request;  // components narrowed to this engine's
};

bool wants(const RestoreRequest& request, std::string_view component) {
    return std::ranges::find(request.components, component) != request.components.end();
}

// Every component name that any engine of this program has.
std::vector<std::string> known_components(const OpsContext& context) {
    std::vector<std::string> names;
    for (const auto* driver : context.drivers.engines) {
        const auto engine = driver->open(context.settings);
        for (const auto& component : engine->components())
            if (std::ranges::find(names, component.name) == names.end())
                names.emplace_back(component.name);
    }
    return names;
}

Status check_components(const OpsContext& context, const RestoreRequest& request) {
    const auto known = known_components(context);
    for (const auto& name : request.components)
        if (std::ranges::find(known, name) == known.end())
            return with_hint(
                fail(Code::usage, "--components: there is no component '{}'", printable(name)),
                fmt::format("choose from {}", join(known, ", ")));
    if (request.components.empty())
        return with_hint(fail(Code::usage, "--components names nothing"),
                         fmt::format("choose from {}", join(known, ", ")));
    return {};
}

// The engines whose components were asked for, out of those that `engines` (of a manifest) names.
Result<std::vector<Part>> choose_parts(const OpsContext& context, const RestoreRequest& request,
                                       const Json& engines, const std::string& backup) {
    std::vector<Part> parts;
    std::vector<std::string> missing = request.components;
    for (const auto& [name, facts] : engines.items()) {
        ASB_TRY(auto engine, open_engine_named(context, name));
        Part part{.engine = nullptr, .facts = facts, .request = request};
        part.request.components.clear();
        for (const auto& component : engine->components()) {
            if (!wants(request, component.name)) continue;
            part.request.components.emplace_back(component.name);
            std::erase(missing, component.name);
        }
        part.engine = std::move(engine);
        if (!part.request.components.empty()) parts.push_back(std::move(part));
    }
    if (missing.empty()) return parts;
    return with_hint(fail(Code::usage, "{} holds no {}", backup, join(missing, ", ")),
                     "name what it holds with --components (restore --list shows the type), or "
                     "choose a full backup");
}

struct Sessions {
    RoutingSink router;
    std::vector<std::unique_ptr<RestoreSession>> open;
};

Status open_sessions(const OpsContext& context, const std::vector<Part>& parts,
                     Sessions& sessions) {
    for (const auto& part : parts) {
        ASB_TRY(auto session,
                part.engine->open_restore(part.request, part.facts,
                                          {context.log, context.progress, context.stop}));
        for (const auto& component : part.engine->components())
            if (wants(part.request, component.name))
                sessions.router.add(std::string(component.prefix), *session);
        sessions.open.push_back(std::move(session));
    }
    return {};
}

Status publish_all(const OpsContext& context, Sessions& sessions) {
    ASB_CHECK(context.stop.check());
    for (const auto& session : sessions.open) ASB_CHECK(session->publish());
    return {};
}

Report describe(const Sessions& sessions, const std::string& name, std::chrono::milliseconds took) {
    Report report;
    report.text = fmt::format("{} is restored ({})\n", name, human_duration(took));
    report.document = {{"name", name},
                       {"duration_ms", took.count()},
                       {"report", Json::array()},
                       {"incomplete", Json::array()}};
    for (const auto& session : sessions.open) {
        for (const auto& line : session->report()) {
            report.text += fmt::format("  {}\n", printable(line));
            report.document["report"].push_back(printable(line));
        }
        for (const auto& line : session->incomplete()) {
            report.text += fmt::format("  NOT WHOLE: {}\n", printable(line));
            report.document["incomplete"].push_back(printable(line));
            report.outcome = Code::incomplete;
        }
    }
    return report;
}

Result<Report> plan(const Manifest& manifest, const std::vector<Part>& parts) {
    Report report;
    report.text =
        fmt::format("dry run: {} ({} backup of {}) would be restored\n  {} read, {} of data\n",
                    manifest.name, to_text(manifest.type), to_readable(manifest.started_at),
                    human_bytes(manifest.body_length), human_bytes(manifest.plain_bytes));
    report.document = {{"dry_run", true},
                       {"name", manifest.name},
                       {"stored_bytes", manifest.body_length},
                       {"plain_bytes", manifest.plain_bytes},
                       {"plan", Json::array()},
                       {"replaces", Json::array()}};
    for (const auto& part : parts) {
        ASB_TRY(const auto engine_plan, part.engine->plan_restore(part.request, part.facts));
        for (const auto& step : engine_plan.steps) {
            report.text += fmt::format("  {}\n", printable(step));
            report.document["plan"].push_back(printable(step));
        }
        for (const auto& item : engine_plan.replaces) {
            report.text += fmt::format("  would replace {}\n", printable(item));
            report.document["replaces"].push_back(printable(item));
        }
    }
    report.text += consistency_line(manifest);
    report.text += "nothing was written\n";
    return report;
}

Result<Report> restore_authenticated(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    ASB_TRY(const auto opened, open_backup(context, options.backup));
    const Manifest& manifest = opened.archive.read.manifest;
    RestoreRequest request = options.request;
    request.data_bytes = manifest.plain_bytes;
    ASB_TRY(const auto parts, choose_parts(context, request, manifest.engines, manifest.name));
    if (options.dry_run) return plan(manifest, parts);

    context.log.info("restore of {} begins", manifest.name);
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    context.progress.begin_stage("restore", manifest.plain_bytes);
    ASB_CHECK(read_archive(opened.archive, sessions.router,
                           {.threads = job_count(context.settings),
                            .progress = &context.progress,
                            .stop = context.stop}));
    ASB_CHECK(publish_all(context, sessions));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("restore of {} ended well: {} ms", manifest.name, took.count());
    Report report = describe(sessions, manifest.name, took);
    report.text += consistency_line(manifest);
    report.document["inconsistent"] = is_inconsistent(manifest);
    return report;
}

// The engines of a backup whose manifest is lost: whichever has a component that was asked for,
// knowing nothing of it.
Result<std::vector<Part>> bare_parts(const OpsContext& context, const RestoreRequest& request) {
    Json engines = Json::object();
    for (const auto* driver : context.drivers.engines)
        engines[std::string(driver->name)] = Json::object();
    return choose_parts(context, request, engines, "the archive");
}

Result<std::unique_ptr<StoredObject>> open_bare_body(const OpsContext& context,
                                                     const std::string& backup) {
    ASB_TRY(const auto reference, parse_reference(context, backup));
    ASB_TRY(const auto store, reference.place.driver->open_reader(reference.place.location));
    const auto slash = backup.rfind('/');
    ASB_TRY(const auto key,
            ObjectKey::parse(slash == std::string::npos ? backup : backup.substr(slash + 1)));
    return store->open(key);
}

Result<Report> restore_unauthenticated(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    RestoreRequest request = options.request;
    const bool wants_files =
        wants(request, "config") || wants(request, "certificates") || wants(request, "logs");
    if ((wants(request, "database") && request.target_dir.empty()) ||
        (wants_files && request.files_dir.empty()))
        return with_hint(
            fail(Code::usage,
                 "an unauthenticated archive goes into a folder only, never into a database"),
            "name it with --target-dir (and --files-dir for files), and look at what came back "
            "before you use it");
    if (options.dry_run)
        return fail(
            Code::usage,
            "--dry-run says nothing of an archive without a manifest; leave one of the two out");
    BareArchive archive;
    ASB_TRY(archive.body, open_bare_body(context, options.backup));
    archive.passphrase = Secret(context.settings.text("BACKUP_ENCRYPTION_KEY"));
    ASB_TRY(const auto parts, bare_parts(context, request));
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    context.log.warning(
        "{} is read without its manifest: nothing proves that it is what was written",
        options.backup);
    context.progress.begin_stage("restore", 0);
    auto bare = read_bare_archive(archive, sessions.router,
                                  {.threads = job_count(context.settings),
                                   .progress = &context.progress,
                                   .stop = context.stop});
    if (!bare && bare.error().code == Code::damaged && bare.error().hint.empty())
        return with_hint(bare.error(), kUnpackByHand);
    if (!bare) return bare.error();
    if (sessions.router.routed() == 0)
        return with_hint(fail(Code::not_found, "{} holds nothing of {}", options.backup,
                              join(request.components, ", ")),
                         kUnpackByHand);
    ASB_CHECK(publish_all(context, sessions));
    auto report =
        describe(sessions, options.backup,
                 std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started));
    report.text += bare->has_inner_manifest ? "  UNAUTHENTICATED: the entries match the inner "
                                              "manifest, but nothing proves who wrote them\n"
                                            : "  UNAUTHENTICATED: there is no inner manifest "
                                              "either; nothing was checked but the tar structure\n";
    report.document["authenticated"] = false;
    report.document["inner_manifest"] = bare->has_inner_manifest;
    return report;
}

}  // namespace

Result<Report> run_restore(const OpsContext& context, const RestoreOptions& options) {
    ASB_CHECK(check_components(context, options.request));
    return options.unauthenticated ? restore_unauthenticated(context, options)
                                   : restore_authenticated(context, options);
}

}  // namespace asb
