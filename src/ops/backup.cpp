#include "ops/backup.hpp"

#include <unistd.h>

#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "ops/backup_sources.hpp"
#include "repo/names.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

// Room that a run must leave on the repository's disk beyond what it will write at worst.
constexpr std::uint64_t kSpareBytes = 16 * kMiB;
// What compression is sure to gain on a database; used only to refuse a run that cannot fit.
constexpr std::uint64_t kSureCompression = 8;

bool compressed(const OpsContext& context) {
    return context.settings.flag("COMPRESSION_ENABLED");
}

Result<std::optional<KeyProvider::Fresh>> fresh_key(const OpsContext& context) {
    if (!context.settings.flag("ENCRYPTION_ENABLED")) return std::optional<KeyProvider::Fresh>();
    ASB_TRY(const auto provider, open_key_provider(context));
    ASB_TRY(auto key, provider->fresh());
    return std::optional(std::move(key));
}

std::uint64_t expected_bytes(const BackupSources& sources) {
    std::uint64_t sum = 0;
    for (const auto& source : sources.open) sum += source.session->expected_bytes();
    return sum;
}

std::string hostname() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
    return printable(name.data());
}

Status check_space(const OpsContext& context, std::optional<std::uint64_t> free,
                   std::uint64_t expected, const std::string& place) {
    const auto needed =
        (compressed(context) ? expected / kSureCompression : expected) + kSpareBytes;
    if (!free || *free >= needed) return {};
    return with_hint(fail(Code::space, "{} has {} free; this backup needs at least {}", place,
                          human_bytes(*free), human_bytes(needed)),
                     "free some space there, or set BACKUP_DIR to a larger disk");
}

// What the byte path holds at most: plain and stored blocks for each thread and two more, and three
// segments (codec/gzip.hpp, codec/segment.hpp).
std::uint64_t memory_bound(std::size_t threads) {
    return (threads + 2) * 2 * kMemberPlainBytes + 3 * kSegmentBytes;
}

// A configuration backup of nothing is no success.
void note_emptiness(BackupType type, std::uint64_t entries, std::vector<std::string>& incomplete) {
    if (type == BackupType::config && entries == 0)
        incomplete.emplace_back(
            "nothing was found to back up; name files with CONFIG_PATHS, CERTIFICATE_PATHS and "
            "LOG_PATHS");
}

void add_promotion(const BackupSources& sources, Report& report) {
    if (sources.promoted_because.empty()) return;
    report.text += fmt::format("  a full backup instead of an incremental one: {}\n",
                               printable(sources.promoted_because));
    report.document["promoted_to"] = to_text(sources.type);
    report.document["promoted_because"] = printable(sources.promoted_because);
}

Result<Report> plan(const OpsContext& context, const BackupSources& sources, const Place& place,
                    bool encrypted) {
    ASB_TRY(const auto reader, place.driver->open_reader(place.location));
    ASB_TRY(const auto room, place.driver->check_writable(place.location));
    const auto expected = expected_bytes(sources);
    ASB_CHECK(check_space(context, room, expected, reader->place()));
    Report report;
    report.text = fmt::format(
        "dry run: {} backup would be written to {} as {}NAME{}\n",
        sources.type == BackupType::incremental ? "an incremental"
                                                : fmt::format("a {}", to_text(sources.type)),
        reader->place(), kNamePrefix, body_suffix(compressed(context), encrypted));
    Json steps = Json::array();
    for (const auto& source : sources.open)
        for (const auto& line : source.session->plan()) {
            report.text += fmt::format("  {}\n", printable(line));
            steps.push_back(printable(line));
        }
    if (expected != 0) report.text += fmt::format("  about {} of data\n", human_bytes(expected));
    if (room) report.text += fmt::format("  {} free in {}\n", human_bytes(*room), reader->place());
    report.text += "everything that a run needs is there; nothing was written\n";
    report.document = {{"dry_run", true},
                       {"type", to_text(sources.type)},
                       {"repository", reader->place()},
                       {"expected_bytes", expected},
                       {"plan", steps}};
    add_promotion(sources, report);
    return report;
}

void sweep(const OpsContext& context, const Stores& stores) {
    const auto swept = sweep_leftovers(*stores.reader, *stores.eraser);
    if (!swept)
        context.log.warning("leftovers of an earlier run could not be removed: {}",
                            swept.error().fact);
    else if (*swept != 0)
        context.log.info("removed {} leftovers of earlier runs that did not finish", *swept);
}

// Every source's entries, and what each has to say about itself.
Result<PendingBackup::Outcome> write_sources(const OpsContext& context,
                                             const BackupSources& sources, EntrySink& entries,
                                             std::vector<std::string>& warnings) {
    PendingBackup::Outcome outcome;
    for (const auto& source : sources.open) {
        context.progress.begin_stage(fmt::format("back up {}", source.engine->name()),
                                     source.session->expected_bytes());
        ASB_CHECK(source.session->write_entries(entries));
        const auto& facts = source.session->facts();
        outcome.engines[std::string(source.engine->name())] = facts.engine;
        if (facts.log) {
            outcome.log = ManifestLog{std::string(source.engine->name()), *facts.log};
            outcome.parent = sources.parent_of(facts.log->log_id);
        }
        outcome.incomplete.insert(outcome.incomplete.end(), facts.incomplete.begin(),
                                  facts.incomplete.end());
        warnings.insert(warnings.end(), facts.warnings.begin(), facts.warnings.end());
    }
    return outcome;
}

struct Finished {
    Manifest manifest;
    std::vector<std::string> incomplete;
    std::vector<std::string> warnings;
};

Result<Finished> write_backup(const OpsContext& context, const BackupSources& sources,
                              const Stores& stores, std::optional<KeyProvider::Fresh> key) {
    Finished finished;
    ASB_TRY(auto pending,
            PendingBackup::begin(*stores.reader, *stores.appender,
                                 {.type = sources.type,
                                  .tool_version = context.tool_version,
                                  .hostname = hostname(),
                                  .compressed = compressed(context)},
                                 std::move(key), job_count(context.settings), context.stop));
    context.log.info("{} backup {} begins", to_text(sources.type), pending->name());
    context.log.debug("{} threads; in flight at most about {}, whatever the size of the database",
                      job_count(context.settings),
                      human_bytes(memory_bound(job_count(context.settings))));
    ASB_TRY(auto outcome, write_sources(context, sources, pending->entries(), finished.warnings));
    ASB_CHECK(context.stop.check());
    context.progress.begin_stage("publish", 0);
    finished.incomplete = outcome.incomplete;
    ASB_TRY(finished.manifest, pending->publish(std::move(outcome)));
    note_emptiness(sources.type, finished.manifest.entry_count, finished.incomplete);
    return finished;
}

// What the sources only kept for this backup may go.
void settle(const OpsContext& context, const BackupSources& sources) {
    for (const auto& source : sources.open)
        if (const auto settled = source.session->settle(); !settled)
            context.log.warning("{} goes on keeping its log from before this backup: {}",
                                source.engine->name(), settled.error().fact);
    if (sources.locked.empty()) return;
    // Nothing goes on from the log of another key, and so it must not fill the server's disk.
    for (const auto& source : sources.open) {
        if (!source.engine->has_log()) continue;
        SessionContext session{context.log, context.progress, context.stop};
        session.tails = sources.locked;
        if (const auto released = source.engine->release_log(std::move(session)); !released)
            context.log.warning("{} goes on keeping its log for backups of another key: {}",
                                source.engine->name(), released.error().fact);
    }
}

Report describe(const Finished& finished, const BackupSources& sources, const std::string& place,
                std::chrono::milliseconds took) {
    const Manifest& manifest = finished.manifest;
    const auto body = fmt::format(
        "{}{}", manifest.name, body_suffix(manifest.compressed, manifest.encryption.has_value()));
    Report report;
    report.text = fmt::format("{}\n  {} backup, {} of data in {} stored, {} entries, {}\n  {}/{}\n",
                              manifest.name, to_text(manifest.type),
                              human_bytes(manifest.plain_bytes), human_bytes(manifest.body_length),
                              manifest.entry_count, human_duration(took), place, body);
    for (const auto& item : finished.incomplete)
        report.text += fmt::format("  NOT WHOLE: {}\n", printable(item));
    report.document = {{"name", manifest.name},
                       {"file", place + "/" + body},
                       {"type", to_text(manifest.type)},
                       {"id", manifest.id},
                       {"plain_bytes", manifest.plain_bytes},
                       {"stored_bytes", manifest.body_length},
                       {"entries", manifest.entry_count},
                       {"duration_ms", took.count()},
                       {"engines", manifest.engines},
                       {"incomplete", Json::array()},
                       {"warnings", Json::array()}};
    for (const auto& item : finished.incomplete)
        report.document["incomplete"].push_back(printable(item));
    for (const auto& item : finished.warnings)
        report.document["warnings"].push_back(printable(item));
    if (manifest.parent) report.document["parent"] = manifest.parent->name;
    add_promotion(sources, report);
    if (!finished.incomplete.empty()) report.outcome = Code::incomplete;
    return report;
}

}  // namespace

Result<Report> run_backup(const OpsContext& context, const BackupRequest& request) {
    const auto started = Clock::now();
    ASB_TRY(auto key, fresh_key(context));
    ASB_TRY(const auto place, repository_place(context));
    const Promotion promotion{.allowed = !request.no_promote};
    ASB_TRY(const auto reader, place.driver->open_reader(place.location));
    ASB_TRY(auto sources, open_backup_sources(context, request.type, promotion, *reader));
    if (request.dry_run) return plan(context, sources, place, key.has_value());

    ASB_TRY(const auto stores, open_stores(place));
    sweep(context, stores);
    ASB_TRY(const auto free, stores.appender->free_space());
    ASB_CHECK(check_space(context, free, expected_bytes(sources), stores.reader->place()));
    ASB_CHECK(ensure_recovery_note(*stores.reader, *stores.appender));
    auto finished = write_backup(context, sources, stores, key);
    if (!finished && !sources.gap().empty() && finished.error().code != Code::interrupted) {
        ASB_TRY(sources, promote(context, sources, promotion, *stores.reader));
        finished = write_backup(context, sources, stores, std::move(key));
    }
    if (!finished) {
        // A failure between the body's publication and the manifest's leaves objects that nobody
        // will ever believe.
        if (const auto swept = sweep_leftovers(*stores.reader, *stores.eraser); !swept)
            context.log.warning("leftovers could not be removed: {}", swept.error().fact);
        return finished.error();
    }
    for (const auto& warning : finished->warnings) context.log.warning("{}", warning);
    for (const auto& item : finished->incomplete) context.log.warning("not whole: {}", item);
    settle(context, sources);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("backup {} is published: {} bytes stored, {} ms", finished->manifest.name,
                     finished->manifest.body_length, took.count());
    return describe(*finished, sources, stores.reader->place(), took);
}

}  // namespace asb
