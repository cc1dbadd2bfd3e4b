#include "ops/expire.hpp"

#include <algorithm>

#include "base/host.hpp"
#include "base/text.hpp"
#include "ops/destinations.hpp"
#include "ops/known_head.hpp"
#include "ops/opened.hpp"
#include "ops/removal.hpp"
#include "ops/retention_settings.hpp"
#include "repo/manifest_history.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

Result<RetentionLook> look_at(const OpsContext& context, StoreReader& store) {
    RetentionLook look;
    ASB_TRY(look.catalog, load_catalog(store, job_count(context.settings)));
    ASB_CHECK(look.catalog.all_read());
    ASB_TRY(look.history, load_log_history(store, look.catalog));
    ASB_TRY(look.holds, load_holds(store));
    ASB_TRY(look.removals, load_removal_records(store));
    return look;
}

void add_unknown(std::vector<Hold> found, std::vector<Hold>& holds) {
    for (auto& hold : found)
        if (std::ranges::none_of(holds, [&](const Hold& known) {
                return known.id == hold.id && known.backup == hold.backup;
            }))
            holds.push_back(std::move(hold));
}

// What is held in one place is held in all, also where a hold that was put did not arrive. One
// whose holds cannot be read is done for itself, and says so.
std::vector<Hold> holds_anywhere(const OpsContext& context,
                                 const std::vector<Destination>& destinations) {
    std::vector<Hold> holds;
    const auto add_all = [&](const std::vector<Destination>& places) {
        for (const auto& one : places) {
            if (one.failed) continue;
            if (auto found = load_holds(*one.reader)) add_unknown(std::move(*found), holds);
        }
    };
    add_all(destinations);
    if (context.settings.text("REPOSITORY").empty()) return holds;
    if (const auto configured = look_at_destinations(context)) add_all(*configured);
    return holds;
}

// A list from which something was taken away must not become shorter still.
Status check_history(const OpsContext& context, const RetentionLook& look,
                     const std::string& place) {
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
Status accept_missing(const OpsContext& context, StoreAppender* store, RetentionLook& look,
                      const std::string& place, const std::string& reason) {
    const auto missing = missing_backups(
        check_manifest_history(look.catalog, look.removals, known_head(context, place)));
    const RemovalCause cause{
        .at = now(), .by = host_name(), .policy = "accepted as missing: " + printable(reason)};
    for (const auto& record : make_removal_records(missing, look.removals, cause)) {
        if (store != nullptr) ASB_CHECK(put_removal_record(*store, record));
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

// What is said of one destination.
struct Told {
    std::string text;
    Json document;
};

Told tell(const std::string& place, const RetentionPlan& plan, const RetentionLook& look) {
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
                       const RetentionPolicy& policy, const std::vector<Hold>& holds,
                       const ExpireRequest& request) {
    if (destination.failed) return *destination.failed;
    ASB_TRY(auto look, look_at(context, *destination.reader));
    add_unknown(holds, look.holds);
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
    ASB_TRY(const auto removed, remove_planned(context, stores, look, policy, plan, at));
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
    const auto holds = holds_anywhere(context, destinations);
    Report report;
    report.document = {{"dry_run", request.dry_run}, {"repositories", Json::array()}};
    std::optional<Error> first;
    std::size_t failed = 0;
    for (const auto& destination : destinations) {
        auto told = expire_in(context, destination, policy, holds, request);
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
