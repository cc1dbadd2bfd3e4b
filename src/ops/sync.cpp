#include "ops/sync.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "ops/destinations.hpp"
#include "ops/log_damage.hpp"
#include "repo/catalog.hpp"
#include "repo/copy.hpp"
#include "repo/hold.hpp"
#include "repo/log_coverage.hpp"
#include "repo/log_names.hpp"
#include "repo/log_record.hpp"
#include "repo/names.hpp"
#include "repo/removal_record.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

// One repository as it was when the run began, and what was copied there.
struct Side {
    const Destination* destination = nullptr;
    Stores stores;  // only the reader in a dry run
    Catalog catalog;
    std::set<std::string> others;   // keys of holds and records of removals
    std::set<std::string> logs;     // ids
    std::set<std::string> brought;  // keys of log, holds and records
    ExaminedLogs examined;          // only for a repair
    std::uint64_t backups = 0;
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;

    [[nodiscard]] bool has_whole(const std::string& name) const {
        const auto* entry = catalog.find(name);
        return entry != nullptr && entry->state == CatalogEntry::State::ok;
    }
};

Status read_names(StoreReader& reader, std::string_view prefix, std::set<std::string>& names) {
    return reader.visit_names(prefix, [&](std::string_view key) -> Status {
        names.emplace(key);
        return {};
    });
}

// The ids of the logs that a store has a record of.
Status read_logs(StoreReader& reader, std::set<std::string>& ids) {
    return reader.visit_names(kLogPrefix, [&](std::string_view key) -> Status {
        const auto name = parse_log_name(key);
        if (name && name->kind == LogName::Kind::record) ids.emplace(name->log_id);
        return {};
    });
}

Result<bool> is_same(StoreReader& one, StoreReader& other, const ObjectKey& key) {
    ASB_TRY(const auto text, one.get(key, kLogRecordBytesMax));
    ASB_TRY(const auto other_text, other.get(key, kLogRecordBytesMax));
    return text == other_text;
}

class Sync {
  public:
    Sync(const OpsContext& context, const SyncRequest& request)
        : context_(context), request_(request) {}

    Result<Report> run() {
        ASB_TRY(const auto destinations, look_at_destinations(context_));
        if (destinations.size() < 2)
            return with_hint(
                fail(Code::usage, "there is one destination, and nothing to copy from"),
                "set BACKUP_DIR, S3_BUCKET and GCS_BUCKET to two places or more");
        for (const auto& destination : destinations) ASB_CHECK(take(destination));
        note_twins();
        for (auto& side : sides_) ASB_CHECK(clear_damaged_log(side));
        for (auto& side : sides_) ASB_CHECK(bring_log_and_records(side));
        for (auto& side : sides_) ASB_CHECK(bring_backups(side));
        return tell();
    }

  private:
    Status take(const Destination& destination) {
        if (destination.failed) {
            note(fmt::format("{} cannot be read: {}", destination.name,
                             printable(destination.failed->fact)));
            return {};
        }
        Side side;
        side.destination = &destination;
        if (!request_.dry_run) {
            ASB_TRY(side.stores, open_stores(context_, destination.place));
            // Who copies need not be able to delete.
            const auto swept = sweep_leftovers(*side.stores.reader, *side.stores.eraser);
            if (!swept && swept.error().code == Code::interrupted) return swept.error();
            if (!swept)
                context_.log.warning("leftovers of an earlier run could not be removed from {}: {}",
                                     destination.name, swept.error().fact);
            const auto noted = ensure_recovery_note(*side.stores.reader, *side.stores.appender);
            if (!noted.ok())
                note(fmt::format("{} could not be written to {}: {}", kRecoveryNoteKey,
                                 destination.name, printable(noted.error().fact)));
        }
        ASB_TRY(side.catalog, load_catalog(*destination.reader, job_count(context_.settings)));
        ASB_CHECK(side.catalog.all_read());
        ASB_TRY(const auto removals, load_removal_records(*destination.reader));
        for (const auto& record : removals.records)
            for (const auto& backup : record.backups) removed_.insert(backup.name);
        for (const auto prefix : {kHoldPrefix, kRemovalPrefix})
            ASB_CHECK(read_names(*destination.reader, prefix, side.others));
        ASB_CHECK(read_logs(*destination.reader, side.logs));
        if (request_.repair) {
            ASB_CHECK(find_damage(side));
            ASB_TRY(side.examined, examine_logs(context_, *destination.reader, side.logs));
            for (const auto& why : side.examined.unread)
                note(fmt::format("{}: {}", destination.name, printable(why)));
        }
        for (const auto& entry : side.catalog.entries) names_.insert(entry.name);
        sides_.push_back(std::move(side));
        return {};
    }

    // Bytes that changed in their place are found by reading them alone.
    Status find_damage(Side& side) {
        auto& reader = *side.destination->reader;
        for (auto& entry : side.catalog.entries) {
            if (entry.state != CatalogEntry::State::ok) continue;
            const auto good = check_bytes(reader, entry.name, options());
            if (good.ok()) continue;
            if (good.error().code != Code::damaged) return good.error().within(reader.place());
            entry.state = CatalogEntry::State::damaged;
            entry.problem = good.error().fact;
        }
        return {};
    }

    [[nodiscard]] bool is_good_elsewhere(const Side& here, const DamagedLogObject& object) {
        return std::ranges::any_of(sides_, [&](Side& side) {
            if (&side == &here) return false;
            const auto good = side.examined.good.find(object.log);
            return good != side.examined.good.end() && good->second.covers(object.range);
        });
    }

    // What is erased is missing, and so brought.
    Status clear_damaged_log(Side& side) {
        for (const auto& object : side.examined.damaged) {
            const bool can_be_brought = is_good_elsewhere(side, object);
            if (!can_be_brought)
                note(fmt::format("{} is damaged in {}, and whole nowhere: {}", object.key.text(),
                                 side.destination->name, printable(object.problem)));
            else if (request_.dry_run)
                ++side.objects;
            else
                ASB_CHECK(erase(side, object.key));
        }
        return {};
    }

    [[nodiscard]] const Side* holder_of(const std::string& name) const {
        const auto found =
            std::ranges::find_if(sides_, [&](const Side& side) { return side.has_whole(name); });
        return found == sides_.end() ? nullptr : &*found;
    }

    [[nodiscard]] CopyOptions options() const {
        return {.threads = job_count(context_.settings),
                .progress = &context_.progress,
                .stop = context_.stop};
    }

    // Which of the two is the wrong one is not ours to say.
    void note_twins() {
        for (const auto& name : names_) {
            const Side* first = holder_of(name);
            for (const auto& side : sides_)
                if (first != nullptr && side.has_whole(name) &&
                    side.catalog.find(name)->digest != first->catalog.find(name)->digest)
                    note(
                        fmt::format("{} is one backup in {} and another in {}: docs/stores.md, one "
                                    "name and two backups",
                                    name, first->destination->name, side.destination->name));
        }
    }

    Status bring_log_and_records(Side& side) {
        for (const auto& from : sides_) {
            if (&from == &side) continue;
            for (const auto& name : from.others)
                if (side.others.insert(name).second)
                    ASB_CHECK(bring_object(side, from, ObjectKey::known(name)));
            for (const auto& log : from.logs) ASB_CHECK(bring_log(side, from, log));
        }
        return {};
    }

    // What a log's record says of its key holds for every object of it.
    Status bring_log(Side& side, const Side& from, const std::string& log) {
        const auto record = log_record_key(log);
        auto& to = *side.destination->reader;
        if (!side.logs.contains(log)) {
            ASB_CHECK(bring_object(side, from, record));
            if (!request_.dry_run) side.logs.insert(log);
        }
        if (side.logs.contains(log)) {
            ASB_TRY(const bool same, is_same(*from.destination->reader, to, record));
            if (!same) {
                note(fmt::format("the log {} has one key in {} and another in {}", log,
                                 from.destination->name, side.destination->name));
                return {};
            }
        }
        ASB_TRY(const auto missing, find_missing_log(*from.destination->reader, to, log));
        for (const auto& key : missing) ASB_CHECK(bring_object(side, from, key));
        return {};
    }

    Status bring_object(Side& side, const Side& from, const ObjectKey& key) {
        if (!side.brought.insert(key.text()).second) return {};
        ++side.objects;
        if (request_.dry_run) return {};
        auto copied = copy_object(*from.destination->reader, *side.stores.appender, key, options());
        // Merged into a larger one meanwhile, or lifted.
        if (!copied && copied.error().code == Code::not_found) return {};
        if (!copied) return copied.error().within(side.destination->name);
        side.bytes += *copied;
        return {};
    }

    Status bring_backups(Side& side) {
        for (const auto& name : names_) {
            if (side.has_whole(name)) continue;
            const auto* damaged = side.catalog.find(name);
            if (damaged == nullptr && removed_.contains(name)) continue;
            const auto* from = holder_of(name);
            if (from == nullptr) {
                note(fmt::format("{} is whole nowhere", name));
                continue;
            }
            if (damaged != nullptr && !request_.repair) {
                note(fmt::format("{} is damaged in {}: {}; --repair writes it anew", name,
                                 side.destination->name, printable(damaged->problem)));
                continue;
            }
            ASB_CHECK(bring_backup(side, *from, name, damaged != nullptr));
        }
        return {};
    }

    Status bring_backup(Side& side, const Side& from, const std::string& name, bool replaces) {
        ++side.backups;
        if (request_.dry_run) return {};
        if (replaces) ASB_CHECK(clear(side, name));
        auto copied =
            copy_backup(*from.destination->reader, *side.stores.appender, name, options());
        ASB_CHECK(context_.stop.check());
        if (!copied) {
            --side.backups;
            note(fmt::format("{} could not be copied from {} to {}: {}", name,
                             from.destination->name, side.destination->name,
                             printable(copied.error().fact)));
            return {};
        }
        side.bytes += *copied;
        context_.log.info("{} is copied from {} to {}", name, from.destination->name,
                          side.destination->name);
        return {};
    }

    // Once, however many destinations it is true of.
    void note(std::string problem) {
        if (std::ranges::find(problems_, problem) == problems_.end())
            problems_.push_back(std::move(problem));
    }

    // The manifest first, as when a backup is removed: from then on there is none.
    static Status clear(Side& side, const std::string& name) {
        ASB_TRY(const auto objects, side.stores.reader->list(name + "."));
        std::vector<ObjectKey> keys = {manifest_key(name)};
        for (const auto& object : objects)
            if (object.key != keys.front()) keys.push_back(object.key);
        for (const auto& key : keys) ASB_CHECK(erase(side, key));
        return {};
    }

    static Status erase(Side& side, const ObjectKey& key) {
        ASB_TRY(const auto kept, side.stores.eraser->erase_all({key}));
        if (kept.empty()) return {};
        return with_hint(fail(Code::refused, "{} keeps {}, because of a lock or a hold",
                              side.destination->name, key.text()),
                         "the copy in the other destinations is good; lift the lock to repair "
                         "this one");
    }

    [[nodiscard]] Report tell() const {
        Report report;
        report.document = {{"dry_run", request_.dry_run},
                           {"repositories", Json::array()},
                           {"problems", problems_}};
        for (const auto& side : sides_) {
            report.text +=
                fmt::format("{}: {} and {} {}{}\n", side.destination->name,
                            counted(side.backups, "backup"), counted(side.objects, "other object"),
                            request_.dry_run ? "would be copied there" : "copied there",
                            request_.dry_run ? std::string() : ", " + human_bytes(side.bytes));
            report.document["repositories"].push_back({{"place", side.destination->name},
                                                       {"backups", side.backups},
                                                       {"objects", side.objects},
                                                       {"bytes", side.bytes}});
        }
        for (const auto& problem : problems_) report.text += fmt::format("NOT DONE: {}\n", problem);
        if (!problems_.empty()) report.outcome = Code::incomplete;
        return report;
    }

    const OpsContext& context_;
    const SyncRequest& request_;
    std::vector<Side> sides_;
    std::set<std::string> names_;    // of every backup that is somewhere; oldest first
    std::set<std::string> removed_;  // by policy, somewhere
    std::vector<std::string> problems_;
};

}  // namespace

Result<Report> run_sync(const OpsContext& context, const SyncRequest& request) {
    return Sync(context, request).run();
}

}  // namespace asb
