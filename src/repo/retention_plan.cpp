#include "repo/retention_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "base/text.hpp"
#include "repo/retention_log.hpp"
#include "repo/retention_rules.hpp"

namespace asb {
namespace {

std::string removal_reason(const RetentionCatalog& catalog, const RetentionPolicy& policy,
                           Instant now, std::size_t index) {
    const auto& manifest = catalog.manifest(index);
    const auto& rules = policy.rules_of(manifest.type);
    const std::string damaged = catalog[index].is_good ? "" : "damaged, and ";
    if (policy.max_age_days != 0 && catalog[index].time < days_before(now, policy.max_age_days))
        return fmt::format("{}older than RETENTION_MAX_DAYS ({})", damaged,
                           counted(policy.max_age_days, "day"));
    auto older = fmt::format("{}older than {}", damaged, counted(rules.days, "day"));
    if (manifest.type == BackupType::incremental)
        return rules.days == 0 ? "nothing that stays needs it"
                               : older + ", and nothing that stays needs it";
    if (!rules.counts() || !catalog[index].is_good) return older;
    return rules.days == 0 ? "none of those that the rules count"
                           : older + ", and none of those that the rules count";
}

BackupFate fate_of(const RetentionCatalog& catalog, const RetentionPolicy& policy,
                   const KeptBackups& kept, Instant now, std::size_t index) {
    BackupFate fate{.name = catalog[index].entry->name,
                    .keep = kept.is_kept(index),
                    .reason = kept.reason(index),
                    .conflict = false};
    if (!fate.keep) {
        fate.reason = removal_reason(catalog, policy, now, index);
        return fate;
    }
    fate.conflict =
        policy.max_age_days != 0 && catalog[index].time < days_before(now, policy.max_age_days);
    if (fate.conflict)
        fate.reason += fmt::format("; conflict: it is older than RETENTION_MAX_DAYS ({})",
                                   counted(policy.max_age_days, "day"));
    return fate;
}

// Incremental backups before what they go on from, the newest first.
std::vector<std::size_t> removal_order(const RetentionCatalog& catalog, const KeptBackups& kept) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < catalog.size(); ++i)
        if (!kept.is_kept(i)) order.push_back(i);
    std::ranges::sort(order, std::greater<>(),
                      [&](std::size_t i) { return std::pair(catalog.depth_of(i), i); });
    return order;
}

}  // namespace

std::string to_text(const BackupFate& fate) {
    return fmt::format("{}: {}", fate.keep ? "keep" : "remove", fate.reason);
}

RetentionPlan plan_retention(const LogHistory& history, const Catalog& catalog,
                             const RetentionPolicy& policy, const std::vector<Hold>& holds,
                             Instant now) {
    const RetentionCatalog entries(catalog);
    KeptBackups kept(entries.size());
    keep_by_rules(entries, policy, holds, now, kept);
    keep_parents(entries, kept);
    RetainedLogs logs(history, entries, policy, now, kept);
    logs.find();
    RetentionPlan plan;
    plan.backups.reserve(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i)
        plan.backups.push_back(fate_of(entries, policy, kept, now, i));
    plan.removal_order = removal_order(entries, kept);
    plan.objects = logs.removed_objects();
    return plan;
}

ObjectKey key_of(const LogHistory& history, const RemovedObjects& removed, std::size_t index) {
    const DatabaseLog& log = history.logs[removed.log];
    return key_of(log.id, log.spans[removed.spans[index]]);
}

}  // namespace asb
