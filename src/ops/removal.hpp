#pragma once
// Why this exists: what policy lets go is taken out of one repository in an order that a crash may
// cut short anywhere (docs/retention.md), and never from under what the store retains.

#include <string>
#include <vector>

#include "ops/sources.hpp"
#include "repo/catalog.hpp"
#include "repo/hold.hpp"
#include "repo/log_history.hpp"
#include "repo/removal_record.hpp"
#include "repo/retention_plan.hpp"

namespace asb {

// What a decision is made from.
struct RetentionLook {
    Catalog catalog;
    LogHistory history;
    std::vector<Hold> holds;
    RemovalRecords removals;
};

// What was removed, and what was not.
struct Removed {
    std::size_t backups = 0;
    std::size_t log_objects = 0;
    std::vector<std::string> retained;  // by the store: locked or held there
    std::vector<std::string> needed;    // backups that those go on from
};

Status put_removal_record(StoreAppender& store, const PendingRecord& record);

// Removes what `plan` says, which was made from `look` at `now`: records of it first, then backups,
// then the log. A backup that the store retains keeps what it goes on from, and their log.
Result<Removed> remove_planned(const OpsContext& context, const Stores& stores,
                               const RetentionLook& look, const RetentionPolicy& policy,
                               const RetentionPlan& plan, Instant now);

}  // namespace asb
