#pragma once
// Why this exists: from what an operator says ("back to half past two") to a plan whose stop is
// known to the record, with the keys of all that it needs: for a restore, its dry run and explain.

#include "ops/context.hpp"
#include "ops/sources.hpp"
#include "repo/recovery_plan.hpp"
#include "repo/recovery_source.hpp"
#include "repo/recovery_target.hpp"

namespace asb {

struct RecoveryWish {
    TargetWords words;   // where to stop; empty: at the end of `backup`
    std::string backup;  // as said; empty or "latest": whichever the plan chooses
};

// A plan that can be carried out.
struct ResolvedRecovery {
    Place place;
    std::unique_ptr<StoreReader> store;
    LogHistory history;
    RecoveryPlan plan;
    LogSearch::Found found;  // the exact stop
    RecoverySource source;   // with keys; spans after the stop are left out
    std::string base;        // the full backup to begin with
    Json base_facts = Json::object();
    std::string text;  // the plan for people, lines ended by newlines
    Json document = Json::object();
};

// Whether the wish needs the log at all: a target, or a backup that is incremental.
Result<bool> needs_recovery(const OpsContext& context, const RecoveryWish& wish);

// `unreachable_target` with the nearest instants; `wrong_key`; `usage` for words that say nothing
// or too much.
Result<ResolvedRecovery> resolve_recovery(const OpsContext& context, const RecoveryWish& wish);

// The same without a key: everything but what only the log itself says. Outcome of `explain`.
struct Planning {
    Place place;
    std::unique_ptr<StoreReader> store;
    Catalog catalog;
    LogHistory history;
    std::unique_ptr<Engine> engine;
    LogTarget target;
    Planned planned;
};
Result<Planning> plan_wish(const OpsContext& context, const RecoveryWish& wish);
// In that repository, whichever the settings name.
Result<Planning> plan_wish_at(const OpsContext& context, const RecoveryWish& wish,
                              const Place& place);

}  // namespace asb
