#pragma once
// Why this exists: tests of retention say in few words which backups there are, and of which days.

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "repo/log_history_fixture.hpp"
#include "repo/names.hpp"
#include "repo/retention_plan.hpp"

namespace asb {

inline const Instant kFirstDay =
    std::chrono::sys_days(std::chrono::year(2024) / std::chrono::January / 1) +
    std::chrono::hours(2);

// A day is 100 places of the log, and as long; day 0 is 1 January 2024, a Monday, at two o'clock.
inline Instant on_day(int day) {
    return kFirstDay + std::chrono::days(day);
}
inline std::int64_t second_of(int day) {
    return on_day(day).time_since_epoch() / std::chrono::seconds(1);
}
inline std::string name_of(int day, int hour = 0) {
    return backup_name(on_day(day) + std::chrono::hours(hour));
}
inline std::uint64_t place(int day) {
    return static_cast<std::uint64_t>(day + 100) * 100;
}

class Repository {
  public:
    Repository& full(int day) {
        auto entry = full_backup(name_of(day), {1, place(day) - 10, place(day)}, {1, place(day)},
                                 second_of(day), {.newest = -1, .covered = second_of(day)});
        return add(std::move(entry), day, 0);
    }
    // From one day to another; goes on from the newest backup before it, or the one that is said.
    Repository& incremental(int from, int to, const std::string& parent = {}) {
        auto entry =
            backup_entry(name_of(to, 1), BackupType::incremental, {{1, place(from), place(to)}},
                         {.newest = second_of(to) - 1, .covered = second_of(to)});
        const auto before = parent.empty() ? catalog.entries.back().name : parent;
        entry.manifest.parent = ParentBackup{.id = before + "-id", .name = before};
        return add(std::move(entry), to, 1);
    }
    Repository& config(int day) {
        CatalogEntry entry;
        entry.name = entry.manifest.name = name_of(day, 2);
        entry.manifest.id = entry.name + "-id";
        entry.manifest.type = BackupType::config;
        return add(std::move(entry), day, 2);
    }
    Repository& object(int from, int to) {
        auto span = log_object({1, place(from), place(to)},
                               {.newest = second_of(to) - 1, .covered = second_of(to)});
        span.day = day_of(span.covered_until);
        streamed["a"].spans.push_back(span);
        return *this;
    }
    Repository& damaged() {
        catalog.entries.back().state = CatalogEntry::State::damaged;
        return *this;
    }
    Repository& held(const std::string& name, std::optional<Instant> until = {}) {
        Hold hold;
        hold.backup = name;
        hold.owner = "legal";
        hold.reason = "case 12/24";
        hold.expires_at = until;
        holds.push_back(hold);
        return *this;
    }

    [[nodiscard]] RetentionPlan plan(const RetentionPolicy& policy, int day) const {
        return plan_retention(make_log_history(catalog, streamed), catalog, policy, holds,
                              on_day(day) + std::chrono::hours(12));
    }
    // "0120 keep: ...", a line a backup.
    [[nodiscard]] std::vector<std::string> told(const RetentionPolicy& policy, int day) const {
        std::vector<std::string> lines;
        for (const auto& fate : plan(policy, day).backups)
            lines.push_back(
                fmt::format("{} {}", fate.name.substr(kNamePrefix.size() + 4, 4), to_text(fate)));
        return lines;
    }
    [[nodiscard]] std::vector<std::string> removed(const RetentionPolicy& policy, int day) const {
        std::vector<std::string> names;
        const auto found = plan(policy, day);
        for (const auto i : found.removal_order)
            names.push_back(found.backups[i].name.substr(kNamePrefix.size() + 4, 7));
        return names;
    }

    Catalog catalog;
    StreamedLogs streamed;
    std::vector<Hold> holds;

  private:
    Repository& add(CatalogEntry entry, int day, int hour) {
        entry.manifest.started_at = on_day(day) + std::chrono::hours(hour);
        entry.manifest.finished_at = entry.manifest.started_at + std::chrono::minutes(30);
        catalog.entries.push_back(std::move(entry));
        return *this;
    }
};

inline RetentionPolicy only_days(std::uint32_t count) {
    RetentionPolicy policy;
    policy.database.days = count;
    return policy;
}

}  // namespace asb
