#pragma once
// Why this exists: random repositories for tests of retention: several logs of one or two
// databases, chains, crossings, promotions, gaps, damage, strangers, clocks that jump.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "repo/log_history_fixture.hpp"
#include "repo/names.hpp"
#include "repo/retention_plan.hpp"

namespace asb {

inline const Instant kWorldBegin =
    std::chrono::sys_days(std::chrono::year(2024) / std::chrono::January / 1);
inline constexpr int kHoursAPlace = 18;  // of the log; a world is about 60 days long

class RetentionWorld {
  public:
    explicit RetentionWorld(unsigned seed) : random_(seed) {
        const int logs = chance(2) ? 1 : number(2, 3);
        for (int i = 0; i < logs; ++i) add_log(i);
        for (int i = number(0, 4); i > 0; --i)
            add_plain(BackupType::config, Json::object(), number(0, 60 * 24));
        for (int i = chance(3) ? number(1, 3) : 0; i > 0; --i)
            add_plain(BackupType::full, Json{{"postgresql", Json::object()}}, number(0, 60 * 24));
        for (auto& entry : catalog.entries)
            if (chance(12)) damage(entry);
        std::ranges::sort(catalog.entries, {}, &CatalogEntry::name);
        now = at_hour(number(20, 80) * 24);
        make_policy();
        make_holds();
    }

    Catalog catalog;
    StreamedLogs streamed;
    RetentionPolicy policy;
    std::vector<Hold> holds;
    Instant now{};

    int number(int first, int last) {
        return std::uniform_int_distribution<int>(first, last)(random_);
    }
    bool chance(int one_in) { return number(1, one_in) == 1; }

  private:
    static Instant at_hour(int hour) { return kWorldBegin + std::chrono::hours(hour); }

    // A log that is being made.
    struct Growing {
        std::string id;
        std::string identity;
        int offset_hours = 0;
        std::uint32_t line = 1;
        std::uint32_t lines = 1;
        std::uint64_t at = 0;
        std::uint64_t line_begin = 0;
        std::vector<LogBranch> branches;
        std::string newest;  // name of its newest backup
    };

    [[nodiscard]] int hour_of(const Growing& log, std::uint64_t at) {
        int hour = log.offset_hours + static_cast<int>(at) * kHoursAPlace;
        if (chance(10)) hour -= number(0, 60);
        return std::max(0, hour);
    }
    TestTimes times_of(const Growing& log, std::uint64_t end) {
        const auto covered =
            (kWorldBegin + std::chrono::hours(hour_of(log, end))).time_since_epoch() /
            std::chrono::seconds(1);
        TestTimes times{.newest = -1, .covered = covered};
        if (!chance(4)) times.newest = covered + std::int64_t{number(-20, 2)} * 3600;
        return times;
    }
    CatalogEntry& add_entry(CatalogEntry entry, int hour) {
        if (chance(25)) hour += number(-40, 40) * 24;  // the clock of whoever backs up
        auto time = at_hour(std::max(0, hour)) + std::chrono::seconds(number(0, 3500));
        while (!taken_.insert({backup_name(time), 0}).second) time += std::chrono::seconds(1);
        entry.name = entry.manifest.name = backup_name(time);
        entry.manifest.id = entry.name + "-id";
        entry.manifest.started_at = time;
        entry.manifest.finished_at = time + std::chrono::minutes(number(1, 300));
        catalog.entries.push_back(std::move(entry));
        return catalog.entries.back();
    }
    void add_plain(BackupType type, Json engines, int hour) {
        CatalogEntry entry;
        entry.manifest.type = type;
        entry.manifest.engines = std::move(engines);
        add_entry(std::move(entry), hour);
    }
    CatalogEntry& add_logged(Growing& log, BackupType type, std::vector<LogRange> ranges) {
        const auto end = ranges.back().end;
        auto entry = backup_entry("", type, std::move(ranges), times_of(log, end), log.branches);
        auto& facts = entry.manifest.log->facts;
        facts.log_id = log.id;
        facts.identity = chance(60) ? "9" : log.identity;
        if (chance(60) && !facts.branches.empty()) facts.branches.front().at += 1;
        auto& added =
            add_entry(std::move(entry), log.offset_hours + static_cast<int>(end) * kHoursAPlace);
        if (type == BackupType::incremental)
            added.manifest.parent = ParentBackup{.id = log.newest + (chance(25) ? "-other" : "-id"),
                                                 .name = log.newest};
        log.newest = added.name;
        return added;
    }
    void add_full(Growing& log) {
        const auto back = static_cast<std::uint64_t>(number(0, 2));
        const auto start = std::max(log.line_begin, log.at - std::min(log.at, back));
        const auto end = log.at + static_cast<std::uint64_t>(number(0, 2));
        auto& full = add_logged(log, BackupType::full, {{log.line, start, end}});
        auto& facts = full.manifest.log->facts;
        const auto at = chance(2) ? end : start + (end - start) / 2;
        facts.consistent = LogPoint{.line = log.line, .at = at};
        facts.consistent_at = at_hour(hour_of(log, at));
        if (!chance(3)) log.at = end;  // else the log goes on beside it
    }
    void add_incremental(Growing& log) {
        std::vector<LogRange> ranges = {
            {log.line, log.at, log.at + static_cast<std::uint64_t>(number(0, 5))}};
        if (chance(5)) ranges.front().start -= std::min<std::uint64_t>(log.at - log.line_begin, 1);
        if (log.lines < 4 && chance(8)) {
            promote(log, ranges.back().end);
            ranges.push_back({log.line, log.at, log.at + static_cast<std::uint64_t>(number(0, 3))});
        }
        log.at = ranges.back().end;
        add_logged(log, BackupType::incremental, ranges);
    }
    void add_object(Growing& log, std::uint64_t start, std::uint64_t end) {
        const LogRange range{.line = log.line, .start = start, .end = end};
        auto span = log_object(range, times_of(log, end));
        span.day = day_of(span.covered_until);
        streamed[log.id].spans.push_back(span);
        if (!chance(4))
            for (const auto& branch : log.branches) streamed[log.id].branches.push_back(branch);
    }
    static void promote(Growing& log, std::uint64_t at) {
        log.branches.push_back({.line = log.lines + 1, .parent = log.line, .at = at});
        log.line = ++log.lines;
        log.at = log.line_begin = at;
    }
    void step(Growing& log) {
        const int choice = number(0, 19);
        const auto longest = static_cast<std::uint64_t>(number(1, 6));
        if (choice < 5 || log.newest.empty()) return add_full(log);
        if (choice < 11) return add_incremental(log);
        if (choice < 17) {
            const auto start =
                chance(6) ? log.at - std::min(log.at - log.line_begin, longest) : log.at;
            add_object(log, start, log.at + longest);
            log.at += longest;
        } else if (choice < 18) {
            log.at += longest;  // a gap
        } else if (log.lines < 4) {
            promote(log, log.at - std::min(log.at - log.line_begin, longest));
        }
    }
    void add_log(int index) {
        Growing log;
        log.id = fmt::format("log{}", index);
        log.identity = chance(4) ? "8" : "7";
        log.offset_hours = number(0, 20 * 24);
        if (chance(8)) add_object(log, 0, 3);
        for (int i = number(1, 14); i > 0; --i) step(log);
    }

    void damage(CatalogEntry& entry) {
        entry.state = CatalogEntry::State::damaged;
        if (!chance(2)) return;
        entry.manifest = {};
        entry.manifest.name = entry.name;
    }
    KeepRules some_rules() {
        KeepRules rules;
        const auto some = [&](int most) {
            return chance(4) ? static_cast<std::uint32_t>(number(1, most)) : 0U;
        };
        if (!chance(4)) rules.days = static_cast<std::uint32_t>(number(1, 50));
        rules.last = some(4);
        rules.daily = some(8);
        rules.weekly = some(5);
        rules.monthly = some(3);
        rules.yearly = some(2);
        return rules;
    }
    void make_policy() {
        policy.database = chance(15) ? KeepRules{} : some_rules();
        if (chance(2)) policy.config = chance(5) ? KeepRules{} : some_rules();
        if (chance(2)) policy.min_age_days = static_cast<std::uint32_t>(number(1, 10));
        if (chance(3)) policy.max_age_days = static_cast<std::uint32_t>(number(10, 60));
    }
    void make_holds() {
        for (const auto& entry : catalog.entries) {
            if (!chance(12)) continue;
            Hold hold;
            hold.backup = entry.name;
            hold.owner = "legal";
            hold.reason = "case 12";
            if (chance(3)) hold.expires_at = now + std::chrono::hours(number(-200, 200));
            if (chance(6)) hold.problem = "not readable";
            holds.push_back(hold);
        }
        holds.emplace_back().backup = "auth-service-backup-20200101_000000";  // long gone
    }

    std::mt19937 random_;
    std::map<std::string, int> taken_;
};

}  // namespace asb
