#include "repo/log_history.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "repo/line_history.hpp"

namespace asb {
namespace {

// What one log is made of, while it is put together.
struct LogParts {
    DatabaseLog log;
    std::map<std::uint32_t, LogBranch> branches;
    std::set<std::uint32_t> contradicted;  // lines
    std::optional<std::uint32_t> newest_backup;

    void add(const std::vector<LogBranch>& more) {
        for (const auto& branch : more) {
            if (branch.parent >= branch.line) continue;
            const auto [known, is_new] = branches.try_emplace(branch.line, branch);
            if (!is_new && known->second != branch) contradicted.insert(branch.line);
        }
    }
};
using AllParts = std::map<std::string, LogParts, std::less<>>;

void add_spans(std::uint32_t backup, const LogFacts& facts, std::vector<LogSpan>& spans) {
    for (const auto& range : facts.ranges) {
        LogSpan span;
        span.line = range.line;
        span.backup = backup;
        span.start = range.start;
        span.end = range.end;
        if (facts.times.commits != 0) span.newest_commit = facts.times.newest_commit;
        if (&range == &facts.ranges.back()) span.covered_until = facts.times.covered_until;
        span.shares_times = facts.ranges.size() > 1;
        spans.push_back(span);
    }
}

void add_backup(std::uint32_t backup, const Manifest& manifest, AllParts& all) {
    const auto& facts = manifest.log->facts;
    LogParts& parts = all[facts.log_id];
    DatabaseLog& log = parts.log;
    if (log.engine.empty()) {
        log.engine = manifest.log->engine;
        log.identity = facts.identity;
    }
    if (log.engine != manifest.log->engine || log.identity != facts.identity) return;
    parts.newest_backup = backup;
    parts.add(facts.branches);
    add_spans(backup, facts, log.spans);
    if (manifest.type == BackupType::full && facts.consistent)
        log.bases.push_back({.backup = backup,
                             .consistent = *facts.consistent,
                             .consistent_at = facts.consistent_at});
}

// Takes the spans out of `streamed`: there is no room for a million of them twice.
void add_streamed(StreamedLogs& streamed, AllParts& all) {
    for (auto& [id, log] : streamed) {
        LogParts& parts = all[id];
        parts.add(log.branches);
        if (parts.log.spans.empty()) {
            parts.log.spans = std::move(log.spans);
            continue;
        }
        // The few of the backups join the many of the stream.
        log.spans.reserve(log.spans.size() + parts.log.spans.size());
        log.spans.insert(log.spans.end(), parts.log.spans.begin(), parts.log.spans.end());
        parts.log.spans = std::move(log.spans);
    }
}

DatabaseLog finished(const std::string& id, LogParts parts) {
    DatabaseLog log = std::move(parts.log);
    log.id = id;
    for (const auto& [line, branch] : parts.branches)
        if (!parts.contradicted.contains(line)) log.branches.push_back(branch);
    std::sort(log.spans.begin(), log.spans.end(), [](const LogSpan& a, const LogSpan& b) {
        return std::tie(a.line, a.start, a.end, a.backup) <
               std::tie(b.line, b.start, b.end, b.backup);
    });
    return log;
}

// From visiting names to what was streamed.
class NameCollector {
  public:
    Status add(std::string_view key) {
        const auto name = parse_log_name(key);
        if (!name) return {};
        // Of a record too: it may be all that is left of a log.
        StreamedLog& log = log_named(name->log_id);
        if (name->kind == LogName::Kind::object) log.spans.push_back(span_of(name->object));
        if (name->kind == LogName::Kind::history)
            histories_.emplace_back(ObjectKey::known(std::string(key)), &log);
        return {};
    }

    // A store that fails is an error; a history that is gone, too large or not understood is not.
    Status read_histories(StoreReader& store) {
        for (const auto& [key, log] : histories_) {
            const auto text = store.get(key, kLineHistoryBytesMax);
            if (!text && text.error().code == Code::store) return text.error();
            const auto history =
                text ? parse_line_history(*text, key.text()) : Result<LineHistory>(text.error());
            if (history)
                log->branches.insert(log->branches.end(), history->branches.begin(),
                                     history->branches.end());
        }
        return {};
    }

    StreamedLogs take() { return std::move(logs_); }

  private:
    // Names come folder by folder, so the log is nearly always that of the name before.
    StreamedLog& log_named(std::string_view id) {
        if (last_ == nullptr || id != last_id_) {
            last_id_ = id;
            last_ = &logs_[last_id_];
        }
        return *last_;
    }

    StreamedLogs logs_;
    std::string last_id_;
    StreamedLog* last_ = nullptr;  // in logs_
    std::vector<std::pair<ObjectKey, StreamedLog*>> histories_;
};

}  // namespace

LogSpan span_of(const LogObject& object) {
    LogSpan span;
    span.line = object.range.line;
    span.start = object.range.start;
    span.end = object.range.end;
    span.newest_commit = object.newest_commit.value_or(kNoTime);
    span.covered_until = object.covered_until;
    span.day = object.day;
    span.compressed = object.compressed;
    span.encrypted = object.encrypted;
    return span;
}

ObjectKey key_of(std::string_view log_id, const LogSpan& span) {
    ASB_ASSERT(span.backup == LogSpan::kObject);
    LogObject object{.range = span.range(),
                     .newest_commit = std::nullopt,
                     .covered_until = span.covered_until,
                     .day = span.day,
                     .compressed = span.compressed,
                     .encrypted = span.encrypted};
    if (span.has_commits()) object.newest_commit = span.newest_commit;
    return log_object_key(log_id, object);
}

LogHistory make_log_history(const Catalog& catalog, StreamedLogs streamed) {
    LogHistory history;
    AllParts all;
    for (const auto& entry : catalog.entries) {
        if (entry.state != CatalogEntry::State::ok || !entry.manifest.log) continue;
        add_backup(static_cast<std::uint32_t>(history.backups.size()), entry.manifest, all);
        history.backups.push_back(entry.name);
    }
    add_streamed(streamed, all);
    std::vector<std::pair<std::optional<std::uint32_t>, std::string>> order;
    for (const auto& [id, parts] : all) order.emplace_back(parts.newest_backup, id);
    std::sort(order.begin(), order.end());
    for (const auto& [newest, id] : order) history.logs.push_back(finished(id, std::move(all[id])));
    return history;
}

Result<LogHistory> load_log_history(StoreReader& store, const Catalog& catalog) {
    NameCollector collector;
    ASB_CHECK(
        store.visit_names(kLogPrefix, [&](std::string_view key) { return collector.add(key); }));
    ASB_CHECK(collector.read_histories(store));
    return make_log_history(catalog, collector.take());
}

void keep_engine(LogHistory& history, std::string_view engine) {
    std::erase_if(history.logs, [&](const DatabaseLog& log) { return log.engine != engine; });
}

}  // namespace asb
