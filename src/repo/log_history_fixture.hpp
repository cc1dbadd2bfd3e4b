#pragma once
// Why this exists: tests of plans say in few words what a repository holds.

#include <string>
#include <utility>
#include <vector>

#include "repo/recovery_plan.hpp"

namespace asb {

// "10" stands for an instant ten seconds after 1970.
inline CommitTime at_second(std::int64_t second) {
    return CommitTime(std::chrono::seconds(second));
}

struct TestTimes {
    std::int64_t newest = -1;  // second; -1: no commit
    std::int64_t covered = 0;
};

inline LogTimes log_times(const TestTimes& times) {
    return {.commits = times.newest < 0 ? 0U : 1U,
            .newest_commit = times.newest < 0 ? CommitTime{} : at_second(times.newest),
            .covered_until = at_second(times.covered)};
}

inline CatalogEntry backup_entry(std::string name, BackupType type, std::vector<LogRange> ranges,
                                 const TestTimes& times, std::vector<LogBranch> branches = {}) {
    CatalogEntry entry;
    entry.name = entry.manifest.name = std::move(name);
    entry.manifest.id = entry.name + "-id";
    entry.manifest.type = type;
    ManifestLog log;
    log.engine = "postgresql";
    log.facts.log_id = "a";
    log.facts.identity = "7";
    log.facts.ranges = std::move(ranges);
    log.facts.branches = std::move(branches);
    log.facts.times = log_times(times);
    entry.manifest.log = std::move(log);
    return entry;
}

inline CatalogEntry full_backup(std::string name, LogRange range, LogPoint consistent,
                                std::int64_t consistent_at, const TestTimes& times,
                                std::vector<LogBranch> branches = {}) {
    auto entry =
        backup_entry(std::move(name), BackupType::full, {range}, times, std::move(branches));
    entry.manifest.log->facts.consistent = consistent;
    entry.manifest.log->facts.consistent_at = at_second(consistent_at);
    return entry;
}

inline LogSpan log_object(LogRange range, const TestTimes& times) {
    LogObject object{.range = range,
                     .newest_commit = std::nullopt,
                     .covered_until = at_second(times.covered),
                     .day = 19700101,
                     .compressed = true,
                     .encrypted = true};
    if (times.newest >= 0) object.newest_commit = at_second(times.newest);
    return span_of(object);
}

inline LogTarget time_target(CommitTime time) {
    LogTarget target;
    target.kind = LogTarget::Kind::time;
    target.time = time;
    return target;
}

inline LogTarget position_target(LogPoint position) {
    LogTarget target;
    target.kind = LogTarget::Kind::position;
    target.position = position;
    return target;
}

inline LogTarget name_target(std::string name) {
    LogTarget target;
    target.kind = LogTarget::Kind::name;
    target.name = std::move(name);
    return target;
}

// A history that is said in a few lines.
class Kept {
  public:
    Kept& full(const char* name, LogRange range, std::int64_t at,
               std::vector<LogBranch> branches = {}) {
        catalog_.entries.push_back(full_backup(name, range, {.line = range.line, .at = range.end},
                                               at, {.newest = -1, .covered = at},
                                               std::move(branches)));
        return *this;
    }
    Kept& incremental(const char* name, std::vector<LogRange> ranges, TestTimes times,
                      std::vector<LogBranch> branches = {}) {
        catalog_.entries.push_back(backup_entry(name, BackupType::incremental, std::move(ranges),
                                                times, std::move(branches)));
        return *this;
    }
    Kept& object(LogRange range, TestTimes times) {
        streamed_.spans.push_back(log_object(range, times));
        return *this;
    }
    Kept& of_log(const char* id, const char* identity) {
        catalog_.entries.back().manifest.log->facts.log_id = id;
        catalog_.entries.back().manifest.log->facts.identity = identity;
        return *this;
    }
    Kept& damaged() {
        catalog_.entries.back().state = CatalogEntry::State::damaged;
        return *this;
    }
    [[nodiscard]] LogHistory history() const {
        StreamedLogs streamed;
        if (!streamed_.spans.empty()) streamed["a"] = streamed_;
        return make_log_history(catalog_, std::move(streamed));
    }

  private:
    Catalog catalog_;
    StreamedLog streamed_;
};

// Commits are every ten seconds; a place is a second.
inline Kept one_chain() {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .incremental("first", {{1, 100, 200}}, {.newest = 190, .covered = 200})
        .incremental("second", {{1, 200, 300}}, {.newest = 290, .covered = 300});
    return kept;
}

// Line 2 left line 1 at 250; line 1 went on by itself.
inline Kept two_lines() {
    const std::vector<LogBranch> branches = {{.line = 2, .parent = 1, .at = 250}};
    Kept kept = one_chain();
    kept.incremental("promoted", {{1, 220, 250}, {2, 250, 400}}, {.newest = 390, .covered = 400},
                     branches);
    return kept;
}

}  // namespace asb
