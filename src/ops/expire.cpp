#include "ops/expire.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/destinations.hpp"
#include "ops/known_head.hpp"
#include "ops/opened.hpp"
#include "ops/retention_settings.hpp"
#include "repo/log_names.hpp"
#include "repo/log_record.hpp"
#include "repo/manifest_history.hpp"
#include "repo/names.hpp"
#include "repo/repository.hpp"
#include "repo/retention_rules.hpp"

namespace asb {
namespace {

constexpr std::size_t kBatch = 1000;  // what S3 takes in one request

std::string host() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
    return printable(name.data());
}

// What a decision is made from.
struct Look {
    Catalog catalog;
    LogHistory history;
    std::vector<Hold> holds;
    RemovalRecords removals;
};

Result<Look> look_at(const OpsContext& context, StoreReader& store) {
    Look look;
    ASB_TRY(look.catalog, load_catalog(store, job_count(context.settings)));
    ASB_CHECK(look.catalog.all_read());
    ASB_TRY(look.history, load_log_history(store, look.catalog));
    ASB_TRY(look.holds, load_holds(store));
    ASB_TRY(look.removals, load_removal_records(store));
    return look;
}

Status put_record(StoreAppender& store, const PendingRecord& record) {
    if (const int error = fail_point("expire.record"))
        return errno_error(error, "cannot write", record.key.text(), Code::store);
    return store.put(record.key, as_bytes(record.text));
}

// A list from which something was taken away must not become shorter still.
Status check_history(const OpsContext& context, const Look& look, const std::string& place) {
    const auto check =
        check_manifest_history(look.catalog, look.removals, known_head(context, place));
    if (check.ok()) return {};
    const auto more = check.findings.size() - 1;
    return with_hint(
        fail(Code::damaged, "the list of backups in {} does not match its own history: {}{}", place,
             check.findings.front().text,
             more == 0 ? std::string() : fmt::format(", and {} more", more)),
        "nothing is removed; docs/retention.md says what each finding means; sync brings back what "
        "another destination has; where it was you who took them away: expire --accept-missing "
        "'WHY'");
}

std::vector<RemovedBackup> missing_backups(const HistoryCheck& check) {
    using Kind = HistoryFinding::Kind;
    std::vector<RemovedBackup> missing;
    for (const auto& finding : check.findings)
        if (finding.kind == Kind::missing || finding.kind == Kind::rolled_back)
            missing.push_back({.name = finding.name, .digest = {}, .type = {}, .previous = {}});
    return missing;
}

// What somebody took away by hand is recorded like what policy removes, and the list matches its
// history from then on. What was replaced, or a record that is gone, nobody can answer for.
// `store` null: only as if.
Status accept_missing(const OpsContext& context, StoreAppender* store, Look& look,
                      const std::string& place, const std::string& reason) {
    const auto missing = missing_backups(
        check_manifest_history(look.catalog, look.removals, known_head(context, place)));
    const RemovalCause cause{
        .at = now(), .by = host(), .policy = "accepted as missing: " + printable(reason)};
    for (const auto& record : make_removal_records(missing, look.removals, cause)) {
        if (store != nullptr) ASB_CHECK(put_record(*store, record));
        ASB_TRY(auto parsed, parse_removal_record(record.text, record.key.text()));
        look.removals.records.push_back(std::move(parsed));
    }
    if (store == nullptr) return {};
    for (const auto& backup : missing)
        context.log.warning("{} is accepted as missing from {}", backup.name, place);
    // That a backup which nobody names is gone only this machine knows.
    remember_head(context, head_of(look.catalog, look.removals, place));
    return {};
}

// Whoever has another key than the backups is not the one to say which of them may go.
Status check_key(const OpsContext& context, StoreReader& store, const Catalog& catalog) {
    const auto newest = open_newest_sealed(context, store, catalog);
    if (!newest || newest->opens.ok()) return {};
    return newest->opens.error().within("nothing is removed");
}

// A log may be used for so long before anything but its record shows that it is: no plan knew its
// first backup yet.
bool is_young(const LogRecord& record) {
    return record.created_at > days_before(now(), kLogDaysMin);
}

struct Removed {
    std::size_t backups = 0;
    std::size_t log_objects = 0;
    std::vector<std::string> retained;  // by the store: locked or held there
    std::vector<std::string> needed;    // backups that those go on from
};

class Removal {
  public:
    Removal(const OpsContext& context, const Stores& stores, const Look& look,
            const RetentionPolicy& policy, Instant now)
        : context_(context), stores_(stores), look_(look), policy_(policy), now_(now) {}

    Result<Removed> run(const RetentionPlan& plan) {
        ASB_CHECK(write_records(plan));
        ASB_CHECK(remove_backups(plan));
        if (removed_.retained.empty()) return remove_logs(plan);
        // What those need of the log is known only now.
        auto holds = look_.holds;
        for (const auto* names : {&removed_.retained, &removed_.needed})
            for (const auto& name : *names) holds.emplace_back().backup = name;
        return remove_logs(plan_retention(look_.history, look_.catalog, policy_, holds, now_));
    }

  private:
    Status write_records(const RetentionPlan& plan) {
        std::vector<RemovedBackup> backups;
        for (const auto number : plan.removal_order)
            backups.push_back(removed_backup(look_.catalog.entries[number]));
        const RemovalCause cause{
            .at = now(), .by = host(), .policy = retention_text(context_.settings)};
        for (const auto& record : make_removal_records(backups, look_.removals, cause))
            ASB_CHECK(put_record(*stores_.appender, record));
        return {};
    }

    // What a backup goes on from comes after it, and stays with it when the store does not let it
    // go.
    Status remove_backups(const RetentionPlan& plan) {
        const RetentionCatalog backups(look_.catalog);
        std::set<std::size_t> needed;
        for (const auto number : plan.removal_order) {
            const auto& name = look_.catalog.entries[number].name;
            const bool stays = needed.contains(number);
            if (stays) removed_.needed.push_back(name);
            ASB_TRY(const bool gone, stays ? Result<bool>(false) : remove_backup(name));
            if (!gone) needed.insert(backups.parent_of(number));
        }
        return {};
    }

    // The manifest first: with it the backup ends to exist, whatever happens to the rest. False
    // when the store retains it.
    Result<bool> remove_backup(const std::string& name) {
        ASB_CHECK(context_.stop.check());
        ASB_TRY(const auto objects, stores_.reader->list(name + "."));
        std::vector<ObjectKey> rest;
        for (const auto& object : objects)
            if (!object.key.text().ends_with(kManifestSuffix)) rest.push_back(object.key);
        if (const int error = fail_point("expire.manifest"))
            return errno_error(error, "cannot remove", name, Code::store);
        ASB_TRY(const auto kept, stores_.eraser->erase_all({manifest_key(name)}));
        if (!kept.empty()) {
            removed_.retained.push_back(name);
            return false;
        }
        ++removed_.backups;
        context_.log.info("{} is removed from {}", name, stores_.reader->place());
        if (const int error = fail_point("expire.body"))
            return errno_error(error, "cannot remove", name, Code::store);
        ASB_CHECK(erase(rest));
        return true;
    }

    Result<Removed> remove_logs(const RetentionPlan& plan) {
        for (const auto& objects : plan.objects) ASB_CHECK(remove_log(objects));
        return std::move(removed_);
    }

    Status remove_log(const RemovedObjects& objects) {
        const auto retained_before = removed_.retained.size();
        std::vector<ObjectKey> keys;
        keys.reserve(objects.spans.size());
        for (std::size_t i = 0; i < objects.spans.size(); ++i)
            keys.push_back(key_of(look_.history, objects, i));
        for (std::size_t i = 0; i < keys.size(); i += kBatch) {
            ASB_CHECK(context_.stop.check());
            if (const int error = fail_point("expire.log"))
                return errno_error(error, "cannot remove", keys[i].text(), Code::store);
            const auto end = std::min(i + kBatch, keys.size());
            ASB_CHECK(erase({keys.begin() + static_cast<std::ptrdiff_t>(i),
                             keys.begin() + static_cast<std::ptrdiff_t>(end)}));
        }
        const auto retained = removed_.retained.size() - retained_before;
        removed_.log_objects += keys.size() - retained;
        if (!objects.is_whole_log || retained != 0) return {};
        return remove_rest_of_log(look_.history.logs[objects.log].id);
    }

    // Its record, with the key that nothing needs any more, and the histories of its lines; but not
    // while there is an object, which may have come since.
    Status remove_rest_of_log(const std::string& id) {
        ASB_TRY(const auto rest, stores_.reader->list(fmt::format("{}{}/", kLogPrefix, id)));
        std::vector<ObjectKey> keys;
        keys.reserve(rest.size());
        for (const auto& object : rest) {
            const auto name = parse_log_name(object.key.text());
            if (name && name->kind == LogName::Kind::object) return {};
            keys.push_back(object.key);
        }
        const auto record = stores_.reader->get(log_record_key(id), kLogRecordBytesMax);
        if (record) {
            const auto parsed = parse_log_record(*record, id);
            if (parsed && is_young(*parsed)) return {};
        } else if (record.error().code != Code::not_found) {
            return record.error();
        }
        return erase(keys);
    }

    Status erase(const std::vector<ObjectKey>& keys) {
        ASB_TRY(const auto kept, stores_.eraser->erase_all(keys));
        for (const auto& key : kept) removed_.retained.push_back(key.text());
        return {};
    }

    const OpsContext& context_;
    const Stores& stores_;
    const Look& look_;
    const RetentionPolicy& policy_;
    const Instant now_;
    Removed removed_;
};

// What is said of one destination.
struct Told {
    std::string text;
    Json document;
};

Told tell(const std::string& place, const RetentionPlan& plan, const Look& look) {
    Told told{.text = place + "\n",
              .document = {{"place", place},
                           {"backups", Json::array()},
                           {"retained", Json::array()},
                           {"needed", Json::array()}}};
    std::size_t log_objects = 0;
    for (const auto& objects : plan.objects) log_objects += objects.spans.size();
    for (std::size_t i = 0; i < plan.backups.size(); ++i) {
        const auto& fate = plan.backups[i];
        const auto& manifest = look.catalog.entries[i].manifest;
        told.text += fmt::format("  {}  {:<11}  {}\n", fate.name,
                                 manifest.id.empty() ? "-" : to_text(manifest.type),
                                 printable(to_text(fate)));
        told.document["backups"].push_back({{"name", fate.name},
                                            {"keep", fate.keep},
                                            {"reason", printable(fate.reason)},
                                            {"conflict", fate.conflict}});
    }
    told.document["to_remove"] = plan.removal_order.size();
    told.document["log_objects_to_remove"] = log_objects;
    return told;
}

void tell_removed(const Removed& removed, Told& told) {
    told.text += fmt::format("  removed: {}, {} of the log\n", counted(removed.backups, "backup"),
                             counted(removed.log_objects, "object"));
    for (const auto& name : removed.retained) {
        told.text +=
            fmt::format("  retained by the store, which has it locked or held: {}\n", name);
        told.document["retained"].push_back(name);
    }
    for (const auto& name : removed.needed) {
        told.text += fmt::format("  stays, since one that is retained goes on from it: {}\n", name);
        told.document["needed"].push_back(name);
    }
    told.document["removed"] = removed.backups;
    told.document["log_objects_removed"] = removed.log_objects;
}

Result<Told> expire_in(const OpsContext& context, const Destination& destination,
                       const RetentionPolicy& policy, const ExpireRequest& request) {
    if (destination.failed) return *destination.failed;
    ASB_TRY(auto look, look_at(context, *destination.reader));
    ASB_CHECK(check_key(context, *destination.reader, look.catalog));
    Stores stores;
    if (!request.dry_run) {
        ASB_TRY(stores, open_stores(context, destination.place));
    }
    if (!request.accept_missing.empty())
        ASB_CHECK(accept_missing(context, stores.appender.get(), look, destination.name,
                                 request.accept_missing));
    ASB_CHECK(check_history(context, look, destination.name));
    const auto at = now();
    auto plan = plan_retention(look.history, look.catalog, policy, look.holds, at);
    // A place without any backup is one that a sync has just begun to fill, with the log first.
    if (look.catalog.entries.empty()) plan.objects.clear();
    auto told = tell(destination.name, plan, look);
    if (request.dry_run) {
        told.text += fmt::format("  would be removed: {}, {} of the log\n",
                                 counted(plan.removal_order.size(), "backup"),
                                 counted(told.document["log_objects_to_remove"], "object"));
        return told;
    }
    ASB_TRY(const auto removed, Removal(context, stores, look, policy, at).run(plan));
    // What an earlier run that was cut off left without a manifest.
    ASB_TRY([[maybe_unused]] const auto swept, sweep_leftovers(*stores.reader, *stores.eraser));
    tell_removed(removed, told);
    return told;
}

// What is there now is what the next run must find again.
void remember(const OpsContext& context, const Destination& destination) {
    const auto look = look_at(context, *destination.reader);
    if (look) remember_head(context, head_of(look->catalog, look->removals, destination.name));
}

}  // namespace

Result<Report> run_expire(const OpsContext& context, const ExpireRequest& request) {
    ASB_TRY(const auto policy, retention_policy(context.settings));
    if (!policy.any())
        return with_hint(fail(Code::usage, "no rule says what may be removed"),
                         "set RETENTION_DAYS or RETENTION_KEEP_*, as in RETENTION_DAYS=30");
    ASB_TRY(const auto destinations,
            request.everywhere ? look_at_destinations(context) : look_at_repositories(context));
    Report report;
    report.document = {{"dry_run", request.dry_run}, {"repositories", Json::array()}};
    std::optional<Error> first;
    std::size_t failed = 0;
    for (const auto& destination : destinations) {
        auto told = expire_in(context, destination, policy, request);
        ASB_CHECK(context.stop.check());
        if (told) {
            report.text += told->text;
            report.document["repositories"].push_back(std::move(told->document));
            if (!request.dry_run) remember(context, destination);
            continue;
        }
        if (destinations.size() == 1) return told.error();
        report.text += fmt::format("NOT DONE in {}: {}\n", destination.name, told.error().fact);
        report.document["repositories"].push_back(
            {{"place", destination.name}, {"error", told.error().fact}});
        report.outcome = Code::incomplete;
        context.log.error("{}", to_text(told.error()));
        if (!first) first = told.error();
        ++failed;
    }
    if (failed == destinations.size()) return *first;
    return report;
}

}  // namespace asb
