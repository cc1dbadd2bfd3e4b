#include "ops/restore_recovery.hpp"

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "ops/consistency.hpp"
#include "ops/file_chain.hpp"
#include "ops/log_feeder.hpp"
#include "ops/opened.hpp"
#include "ops/recovery_reader.hpp"
#include "ops/restore_parts.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

// What the server that fetches its log runs: this very program.
std::vector<std::string> fetch_program() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    return {error ? std::string("auth-service-backup") : self.string(), "fetch-wal"};
}

Recovery recovery_of(const OpsContext& context, const ResolvedRecovery& resolved) {
    Recovery recovery;
    recovery.stop = resolved.found.stop;
    recovery.line = recovery.stop ? recovery.stop->point.line : resolved.plan.base.consistent.line;
    recovery.target = resolved.plan.target.text;
    recovery.fetch_program = fetch_program();
    recovery.fetch_source = to_text(resolved.source);
    recovery.unpack = [&context, &resolved](const std::string& folder) {
        return unpack_log(resolved.source, context.drivers, folder, context.stop);
    };
    return recovery;
}

// The part of the database whose log it is; null when only files were asked for.
Part* log_part(std::vector<Part>& parts, const ResolvedRecovery& resolved) {
    const auto found = std::ranges::find_if(parts, [&](const Part& part) {
        return part.engine->name() == resolved.source.head.engine;
    });
    return found == parts.end() ? nullptr : &*found;
}

// The base's own log came with its archive.
Status push_log(const OpsContext& context, const ResolvedRecovery& resolved,
                RestoreSession& session) {
    context.progress.begin_stage("replay the log", 0);
    ASB_TRY(const auto reader, RecoveryReader::open(resolved.source, context.drivers, context.stop,
                                                    &context.progress));
    for (const auto& span : resolved.source.spans) {
        if (span.backup == resolved.base) continue;
        ASB_CHECK(session.begin_slice(span.range));
        ASB_CHECK(reader->push(span, session));
    }
    return {};
}

// A server fetches its log long after the restore has ended: what is damaged must show now.
Status check_log(const OpsContext& context, const ResolvedRecovery& resolved) {
    context.progress.begin_stage("check the log", 0);
    ASB_TRY(const auto reader,
            RecoveryReader::open(resolved.source, context.drivers, context.stop));
    return reader->engine().fetches_log() ? reader->check_all() : Status();
}

Status replay(const OpsContext& context, const ResolvedRecovery& resolved,
              const std::vector<Part>& parts, Sessions& sessions) {
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (parts[i].request.recovery && !parts[i].engine->fetches_log())
            ASB_CHECK(push_log(context, resolved, *sessions.open[i]));
    return {};
}

// The backup whose logs come back: the one that was named, or the newest one before the stop.
Result<std::string> files_from(const OpsContext& context, const RestoreOptions& options,
                               const ResolvedRecovery& resolved) {
    if (options.target.empty()) {
        ASB_TRY(const auto named, resolve_backup(context, options.backup));
        return named.name;
    }
    const auto& stop = resolved.found.stop;
    const auto& target = resolved.plan.target;
    ASB_TRY(const auto catalog, load_catalog(*resolved.store, job_count(context.settings)));
    return newest_link(
        catalog, resolved.base, (stop ? stop->point : resolved.plan.end).at,
        target.kind == LogTarget::Kind::time ? std::optional(target.time) : std::nullopt);
}

Status add_files(const OpsContext& context, const RestoreOptions& options,
                 const ResolvedRecovery& resolved, const std::vector<Part>& parts,
                 Sessions& sessions) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].engine->has_log()) continue;
        ASB_TRY(const auto newest, files_from(context, options, resolved));
        ASB_CHECK(add_links(context, *resolved.store, resolved.base, newest, parts[i],
                            *sessions.open[i]));
    }
    return {};
}

}  // namespace

RecoveryWish recovery_wish(const RestoreOptions& options) {
    return {.words = options.target, .backup = options.backup};
}

Result<Report> restore_to_target(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    ASB_TRY(const auto resolved, resolve_recovery(context, recovery_wish(options)));
    ASB_TRY(const auto archive, open_archive_with(*resolved.store, resolved.base,
                                                  resolved.source.keys_of(resolved.base)));
    const Manifest& manifest = archive.read.manifest;
    ASB_TRY(auto parts,
            choose_parts_of(context, options.request, options.components_named, manifest));
    if (auto* part = log_part(parts, resolved))
        part->request.recovery = recovery_of(context, resolved);
    ASB_TRY(const auto reading, choose_reading(context, archive, parts));
    if (options.dry_run) {
        Report report;
        report.text = "dry run: this would be restored\n" + resolved.text;
        report.document = resolved.document;
        report.document["dry_run"] = true;
        ASB_CHECK(add_plans(parts, report));
        report.text += "nothing was written\n";
        return report;
    }
    ASB_CHECK(check_log(context, resolved));
    context.log.info("restore of {} to {} begins", resolved.base, resolved.plan.target.text);
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    ASB_CHECK(read_into(context, archive, reading, sessions.router));
    ASB_CHECK(replay(context, resolved, parts, sessions));
    ASB_CHECK(add_files(context, options, resolved, parts, sessions));
    ASB_CHECK(publish_all(context, sessions));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("restore of {} to {} ended well: {} ms", resolved.base,
                     resolved.plan.target.text, took.count());
    auto report = describe(sessions, resolved.base, took);
    report.text += resolved.text + consistency_line(manifest);
    report.document["recovery"] = resolved.document;
    report.document["inconsistent"] = is_inconsistent(manifest);
    return report;
}

}  // namespace asb
