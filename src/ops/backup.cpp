#include "ops/backup.hpp"

#include <algorithm>

#include "base/host.hpp"
#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "ops/backup_sources.hpp"
#include "ops/destinations.hpp"
#include "ops/expire.hpp"
#include "ops/little_memory.hpp"
#include "ops/retention_settings.hpp"
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

std::uint64_t needed_bytes(const OpsContext& context, const BackupSources& sources) {
    const auto expected = expected_bytes(sources);
    return (compressed(context) ? expected / kSureCompression : expected) + kSpareBytes;
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

// What there would be to say of each destination; one that could not be written ends the plan, as
// long as all are required.
Status plan_destinations(const OpsContext& context, const std::vector<Destination>& destinations,
                         std::uint64_t needed, Report& report) {
    ASB_TRY(const auto required, required_destinations(context.settings, destinations.size()));
    std::size_t good = 0;
    std::optional<Error> first;
    for (const auto& destination : destinations) {
        auto room = destination.failed ? Result<std::optional<std::uint64_t>>(*destination.failed)
                                       : check_room(context, destination, needed);
        Json line = {{"place", destination.name}, {"ok", room.ok()}};
        if (room.ok()) {
            ++good;
            if (*room)
                report.text +=
                    fmt::format("  {} free in {}\n", human_bytes(**room), destination.name);
        } else {
            report.text += fmt::format("  NOT to {}: {}\n", destination.name, room.error().fact);
            line["error"] = room.error().fact;
            if (!first) first = room.error();
        }
        report.document["destinations"].push_back(std::move(line));
    }
    return good >= required ? Status() : Status(*first);
}

std::string names_of(const std::vector<Destination>& destinations) {
    std::vector<std::string> names;
    names.reserve(destinations.size());
    for (const auto& destination : destinations) names.push_back(destination.name);
    return join(names, ", ");
}

Result<Report> plan(const OpsContext& context, const BackupSources& sources,
                    const std::vector<Destination>& destinations, bool encrypted) {
    Report report;
    report.text = fmt::format(
        "dry run: {} backup would be written to {} as {}NAME{}\n",
        sources.type == BackupType::incremental ? "an incremental"
                                                : fmt::format("a {}", to_text(sources.type)),
        names_of(destinations), kNamePrefix, body_suffix(compressed(context), encrypted));
    const auto expected = expected_bytes(sources);
    Json steps = Json::array();
    for (const auto& source : sources.open)
        for (const auto& line : source.session->plan()) {
            report.text += fmt::format("  {}\n", printable(line));
            steps.push_back(printable(line));
        }
    if (expected != 0) report.text += fmt::format("  about {} of data\n", human_bytes(expected));
    report.document = {{"dry_run", true},
                       {"type", to_text(sources.type)},
                       {"repository", destinations.front().name},
                       {"destinations", Json::array()},
                       {"expected_bytes", expected},
                       {"plan", steps}};
    ASB_CHECK(plan_destinations(context, destinations, needed_bytes(context, sources), report));
    report.text += "everything that a run needs is there; nothing was written\n";
    add_promotion(sources, report);
    return report;
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
                              WritableDestinations& destinations,
                              std::optional<KeyProvider::Fresh> key) {
    Finished finished;
    ASB_TRY(auto pending,
            PendingBackup::begin(destinations.reader(), destinations.appender(),
                                 {.type = sources.type,
                                  .tool_version = context.tool_version,
                                  .hostname = host_name(),
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

using Outcomes = std::vector<WritableDestinations::Outcome>;

const std::string& first_place(const Outcomes& outcomes) {
    const auto found = std::ranges::find_if(outcomes, [](const auto& one) { return !one.failed; });
    ASB_ASSERT(found != outcomes.end());
    return found->place;
}

// Where the backup is, and what is missing where.
void add_destinations(const Outcomes& outcomes, std::size_t required, Report& report) {
    std::size_t good = 0;
    for (const auto& one : outcomes) {
        Json line = {{"place", one.place}, {"ok", !one.failed.has_value()}};
        if (one.failed) {
            line["error"] = one.failed->fact;
            report.text += fmt::format("  NOT in {}: {}\n", one.place, printable(one.failed->fact));
        } else {
            ++good;
            if (outcomes.size() > 1) report.text += fmt::format("  in {}\n", one.place);
        }
        report.document["destinations"].push_back(std::move(line));
    }
    if (good < outcomes.size())
        report.text += "  auth-service-backup sync copies it there, once they can be reached\n";
    if (good < required) report.outcome = Code::incomplete;
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
                       {"destinations", Json::array()},
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

// The backup is good whatever becomes of the old ones; but nobody should learn a year later that
// none was ever removed.
void expire_old_ones(const OpsContext& context, Report& report) {
    const auto policy = retention_policy(context.settings);
    if (policy && !policy->any()) return;
    const auto expired = run_expire(context, {.everywhere = true});
    if (expired) report.document["retention"] = expired->document;
    if (expired && !expired->outcome) return;
    const auto why = expired ? std::string("not in every destination") : expired.error().fact;
    report.text += fmt::format("  RETENTION FAILED: {}\n", printable(why));
    if (!expired) {
        report.document["retention"] = {{"error", printable(why)}};
        context.log.error("{}", to_text(expired.error()));
    }
    report.outcome = Code::incomplete;
}

}  // namespace

Result<Report> run_backup(const OpsContext& context, const BackupRequest& request) {
    const auto started = Clock::now();
    ASB_TRY(auto key, fresh_key(context));
    ASB_TRY(auto found, look_at_destinations(context));
    ASB_TRY(const auto required, required_destinations(context.settings, found.size()));
    // Each that is far away holds parts of its own.
    if (found.size() > 1) keep_little_memory();
    const Promotion promotion{.allowed = !request.no_promote};
    const auto& origin = request.type == BackupType::config ? first_readable(found)
                                                            : furthest_readable(context, found);
    const auto origin_number = static_cast<std::size_t>(&origin - found.data());
    ASB_TRY(auto sources, open_backup_sources(context, request.type, promotion, *origin.reader));
    if (request.dry_run) return plan(context, sources, found, key.has_value());

    ASB_TRY(const auto destinations,
            WritableDestinations::open(context, std::move(found), needed_bytes(context, sources)));
    destinations->sweep();
    ASB_CHECK(destinations->ensure_notes());
    auto finished = write_backup(context, sources, *destinations, key);
    if (!finished && !sources.gap().empty() && finished.error().code != Code::interrupted) {
        ASB_TRY(sources, promote(context, sources, promotion, destinations->reader(origin_number)));
        finished = write_backup(context, sources, *destinations, std::move(key));
    }
    if (!finished) {
        // A failure between the body's publication and the manifest's leaves objects that nobody
        // will ever believe.
        destinations->sweep();
        return finished.error();
    }
    const auto outcomes = destinations->outcomes();
    if (std::ranges::any_of(outcomes, [](const auto& one) { return one.failed.has_value(); }))
        destinations->sweep();
    for (const auto& one : outcomes)
        if (one.failed)
            context.log.warning("the backup is not in {}: {}", one.place, one.failed->fact);
    if (const auto& parent = finished->manifest.parent)
        for (const auto& place : destinations->lacking(manifest_key(parent->name)))
            finished->warnings.push_back(
                fmt::format("{} lacks {}, from which this backup goes on: is it mounted? "
                            "auth-service-backup sync brings there what is missing",
                            place, parent->name));
    for (auto& warning : destinations->room_warnings())
        finished->warnings.push_back(std::move(warning));
    for (const auto& warning : finished->warnings) context.log.warning("{}", warning);
    for (const auto& item : finished->incomplete) context.log.warning("not whole: {}", item);
    settle(context, sources);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("backup {} is published: {} bytes stored, {} ms", finished->manifest.name,
                     finished->manifest.body_length, took.count());
    auto report = describe(*finished, sources, first_place(outcomes), took);
    add_destinations(outcomes, required, report);
    expire_old_ones(context, report);
    return report;
}

}  // namespace asb
