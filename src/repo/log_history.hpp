#pragma once
// Why this exists: what the repository holds of each log, as data: which backups one can begin
// from, and which stretches of the log lie in which backup or object. Whatever plans a recovery,
// lists what is restorable or verifies a chain asks this, and nothing here opens an object.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/log.hpp"
#include "repo/catalog.hpp"
#include "repo/log_names.hpp"

namespace asb {

inline constexpr CommitTime kNoTime = CommitTime::min();

// A stretch of the log, and where it is. There may be a million of them: 56 bytes each.
struct LogSpan {
    static constexpr std::uint32_t kObject = ~std::uint32_t{0};

    std::uint32_t line = 0;
    std::uint32_t backup = kObject;  // index into LogHistory::backups; kObject: a log object
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    CommitTime newest_commit = kNoTime;  // kNoTime: it holds no commit
    CommitTime covered_until = kNoTime;  // as LogTimes::covered_until; kNoTime: not known
    std::uint32_t day = 0;               // of a log object's name, as the next two
    bool compressed = false;
    bool encrypted = false;
    // The newest commit is of a backup that holds more than this one range, and may lie in another.
    bool shares_times = false;

    [[nodiscard]] LogRange range() const { return {.line = line, .start = start, .end = end}; }
    [[nodiscard]] bool has_commits() const { return newest_commit != kNoTime; }
};
static_assert(sizeof(LogSpan) <= 64);

// A full backup: restored, it is the database as it was at `consistent`.
struct LogBase {
    std::uint32_t backup = 0;  // index into LogHistory::backups
    LogPoint consistent;
    CommitTime consistent_at{};
};

// One log: one database's, from when it was first kept until it had a gap that only a new full
// backup could mend.
struct DatabaseLog {
    std::string id;
    // "" when no backup of this log is left: then only what was streamed is known, which may be a
    // record or a history alone, without any span.
    std::string engine;
    std::string identity;             // LogFacts::identity
    std::vector<LogSpan> spans;       // by line, start and end
    std::vector<LogBase> bases;       // oldest first
    std::vector<LogBranch> branches;  // by line; one at most a line
};

struct LogHistory {
    std::vector<std::string> backups;  // names; spans and bases refer to them
    std::vector<DatabaseLog> logs;     // the one of the newest backup last; objects alone first
};

// What lies below log/ of one log; nothing in it when that is a record alone.
struct StreamedLog {
    std::vector<LogSpan> spans;
    std::vector<LogBranch> branches;
};
using StreamedLogs = std::map<std::string, StreamedLog, std::less<>>;

LogSpan span_of(const LogObject& object);
// Where the bytes of `span` are, when it is a log object.
ObjectKey key_of(std::string_view log_id, const LogSpan& span);

// Of the catalog's backups that are ok, and of what was streamed. A backup that has the id of a log
// but another engine or identity than the log's first backup is left out, and so is what two
// sources say differently of how a line came to be.
LogHistory make_log_history(const Catalog& catalog, StreamedLogs streamed);

// The history of `store`, whose catalog is `catalog`: reads the names below log/ and the histories
// of lines (a small object a line), nothing else. A name that is none of ours, or a history that
// cannot be understood, is passed over: it covers nothing.
Result<LogHistory> load_log_history(StoreReader& store, const Catalog& catalog);

// Leaves the logs of one engine only.
void keep_engine(LogHistory& history, std::string_view engine);

}  // namespace asb
