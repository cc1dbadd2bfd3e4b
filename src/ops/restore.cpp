#include "ops/restore.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/chain_damage.hpp"
#include "ops/consistency.hpp"
#include "ops/opened.hpp"
#include "ops/plain_folders.hpp"
#include "ops/restore_files.hpp"
#include "ops/restore_parts.hpp"
#include "ops/restore_recovery.hpp"
#include "ops/staged_restore.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUnpackByHand =
    "an archive of another program is unpacked with stock tools: openssl enc -d -aes-256-cbc "
    "-pbkdf2 ... | tar -xz";

Result<Report> plan(const Manifest& manifest, const std::vector<Part>& parts,
                    const Reading& reading) {
    Report report;
    report.text = fmt::format("dry run: {} ({} backup of {}) would be restored\n  {}\n",
                              manifest.name, to_text(manifest.type),
                              to_readable(manifest.started_at), what_is_read(reading));
    report.document = {{"dry_run", true},
                       {"name", manifest.name},
                       {"stored_bytes", reading.stored_bytes},
                       {"plain_bytes", reading.plain_bytes}};
    ASB_CHECK(add_plans(parts, report));
    report.text += consistency_line(manifest);
    report.text += "nothing was written\n";
    return report;
}

Result<Report> restore_authenticated(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    ASB_TRY(const auto opened, open_backup(context, options.backup));
    const Manifest& manifest = opened.archive.read.manifest;
    ASB_TRY(auto parts,
            choose_parts_of(context, options.request, options.components_named, manifest));
    ASB_TRY(const auto reading, choose_reading(context, opened.archive, parts));
    if (options.dry_run) return plan(manifest, parts, reading);

    context.log.info("restore of {} begins", manifest.name);
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    if (auto read = read_into(context, opened.archive, reading, sessions.router); !read)
        return damage_told(context, *opened.store, manifest.name, std::move(read.error()));
    ASB_CHECK(publish_all(context, sessions));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("restore of {} ended well: {} ms", manifest.name, took.count());
    auto report = describe(sessions, manifest.name, took);
    report.text += consistency_line(manifest);
    report.document["inconsistent"] = is_inconsistent(manifest);
    report.document["stored_bytes_read"] = reading.stored_bytes;
    return report;
}

// The engines of a backup whose manifest is lost: whichever has a component that was asked for and
// can lay it into a folder, knowing nothing of it.
Result<std::vector<Part>> bare_parts(const OpsContext& context, const RestoreRequest& request) {
    Json engines = Json::object();
    for (const auto* driver : context.drivers.engines)
        if (driver->url_schemes.empty() || driver->open(context.settings)->has_data_directory())
            engines[std::string(driver->name)] = Json::object();
    return choose_parts(context, request, engines, "the archive");
}

Result<std::unique_ptr<StoredObject>> open_bare_body(const OpsContext& context,
                                                     const std::string& backup) {
    ASB_TRY(const auto reference, parse_reference(context, backup));
    ASB_TRY(const auto store, reference.place.open_reader(context));
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
    if (!request.only.empty())
        return fail(Code::usage,
                    "--only needs the manifest, which --unauthenticated does without; leave one "
                    "of the two out");
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
    if (options.resume) return resume_restore(context, options);
    ASB_CHECK(check_components(context, options.request));
    ASB_CHECK(check_plain_folders(context, options));
    if (!options.unauthenticated) {
        ASB_TRY(const bool onwards, needs_recovery(context, recovery_wish(options)));
        if (onwards && !options.staging.empty())
            return with_hint(fail(Code::usage,
                                  "--staging prepares one full backup, and this "
                                  "restore goes on from it"),
                             "leave --staging out");
        if (onwards && wants_only_files(options)) return restore_files(context, options);
        if (onwards) {
            auto report = restore_to_target(context, options);
            if (report) return report;
            return chain_damage_told(context, recovery_wish(options), std::move(report.error()));
        }
    }
    if (!options.staging.empty()) return prepare_restore(context, options);
    return options.unauthenticated ? restore_unauthenticated(context, options)
                                   : restore_authenticated(context, options);
}

}  // namespace asb
