#pragma once
// What tests of plans share: short ways to say what a repository holds.

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

}  // namespace asb
