#pragma once
// Why this exists: which backups and which pieces of the streamed log may go, and why: decided from
// what the repository holds, before anything is touched. `expire --dry-run` prints this plan and
// `expire` carries it out. Whatever is not understood stays.
//
// Nothing here is a clock, a store or a setting: the same input gives the same plan, a plan on what
// a plan leaves removes nothing more at the same instant, and what goes now goes at any later
// instant too.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "repo/catalog.hpp"
#include "repo/hold.hpp"
#include "repo/log_history.hpp"

namespace asb {

// A hundred years: whatever is set beyond it means the same, and no calculation with it overflows.
inline constexpr std::uint32_t kRetentionDaysMax = 36'525;
// What is younger of a streamed log never goes. A full backup that is being made needs the log from
// its start on, and nothing shows it yet; one that takes longer than a day has a day of log to
// spare with any days or least age that is set.
inline constexpr std::uint32_t kLogDaysMin = 1;

// What to keep; a backup stays when one of the rules keeps it. 0: the rule is off.
struct KeepRules {
    // Every backup that is not older, and whatever else is needed so that each instant within the
    // last `days` days that can be reached now stays reachable.
    std::uint32_t days = 0;
    // So many of the newest full (or config) backups; and the newest of each of so many calendar
    // days, weeks (from Monday), months and years in UTC that have one. A full backup that is kept
    // so is restorable to its own consistent point, alone; the log around it is not kept for it.
    std::uint32_t last = 0;
    std::uint32_t daily = 0;
    std::uint32_t weekly = 0;
    std::uint32_t monthly = 0;
    std::uint32_t yearly = 0;

    [[nodiscard]] bool counts() const {
        return last != 0 || daily != 0 || weekly != 0 || monthly != 0 || yearly != 0;
    }
    [[nodiscard]] bool any() const { return days != 0 || counts(); }
};

struct RetentionPolicy {
    KeepRules database;               // full and incremental backups, and the streamed log
    std::optional<KeepRules> config;  // config backups; absent: as `database`
    // Nothing younger goes, whatever else says so. 0: off.
    std::uint32_t min_age_days = 0;
    // What is older goes, even where a count would keep it. 0: off. What a promise, a hold, or the
    // rule of the last good backup keeps stays all the same, as a conflict that is told.
    std::uint32_t max_age_days = 0;

    [[nodiscard]] const KeepRules& rules_of(BackupType type) const {
        return type == BackupType::config && config ? *config : database;
    }
    // With no rule on, nothing ever goes.
    [[nodiscard]] bool any() const {
        return database.any() || (config && config->any()) || max_age_days != 0;
    }
};

struct BackupFate {
    std::string name;
    bool keep = true;
    std::string reason;     // "one of the 7 daily ones"; one line for a person
    bool conflict = false;  // it stays although it is older than the policy's greatest age
};
// "keep: one of the 7 daily ones"
std::string to_text(const BackupFate& fate);

// Of one log, the streamed objects that go.
struct RemovedObjects {
    std::uint32_t log = 0;             // index into LogHistory::logs
    std::vector<std::uint32_t> spans;  // index into DatabaseLog::spans; the newest first
    std::string reason;
    // No object and no backup of it stays: once the objects are gone, its record and its histories
    // of lines may go as well. Then there may be no object at all that goes.
    bool is_whole_log = false;
};

struct RetentionPlan {
    std::vector<BackupFate> backups;  // one each, in the catalog's order
    // Indexes into `backups` of those that go, whatever depends on another one before it: the
    // backups in this order first, then the objects, so that a crash in between leaves nothing in
    // the list that cannot be restored.
    std::vector<std::size_t> removal_order;
    std::vector<RemovedObjects> objects;  // of logs of which some go

    [[nodiscard]] bool removes_nothing() const { return removal_order.empty() && objects.empty(); }
};

// `history` is the whole of what load_log_history gives for `catalog`; `holds` may name backups
// that do not exist. 10,000 backups and 1,000,000 objects take less than two seconds.
RetentionPlan plan_retention(const LogHistory& history, const Catalog& catalog,
                             const RetentionPolicy& policy, const std::vector<Hold>& holds,
                             Instant now);

// The object that `removed.spans[index]` is.
ObjectKey key_of(const LogHistory& history, const RemovedObjects& removed, std::size_t index);

}  // namespace asb
