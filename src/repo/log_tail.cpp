#include "repo/log_tail.hpp"

#include <algorithm>

#include "repo/log_object.hpp"
#include "repo/log_track.hpp"

namespace asb {
namespace {

// The newest full backup of each identity; logs are in the order of their newest backup.
std::vector<DatabaseLog*> newest_logs(LogHistory& history, std::string_view engine) {
    std::vector<DatabaseLog*> newest;
    for (auto& log : history.logs) {
        if (log.engine != engine || log.bases.empty()) continue;
        const auto same = std::ranges::find(newest, log.identity, &DatabaseLog::identity);
        if (same == newest.end())
            newest.push_back(&log);
        else if ((*same)->bases.back().backup < log.bases.back().backup)
            *same = &log;
    }
    return newest;
}

// How far one gets from the log's newest base, on the newest line that it lies on.
struct Way {
    LogTrack track;
    LogTrack::Reach reach;
};
std::optional<Way> newest_way(const DatabaseLog& log) {
    const LogBase& base = log.bases.back();
    for (const auto line : lines_of(log)) {
        LogTrack track(log, line);
        for (const auto& candidate : track.bases())
            if (candidate.backup == base.backup) {
                const auto reach = track.reach_of(candidate);
                return Way{std::move(track), reach};
            }
    }
    return std::nullopt;
}

const Manifest& manifest_of(const LogHistory& history, const Catalog& catalog,
                            std::uint32_t backup) {
    return catalog.find(history.backups[backup])->manifest;
}

// The span that ends where the way does.
std::optional<std::uint32_t> last_span(const Way& way) {
    std::optional<std::uint32_t> found;
    for (auto i = way.reach.first; i < way.reach.last; ++i) {
        const auto& span = way.track.span(i);
        if (span.line == way.reach.end.line && span.end == way.reach.end.at)
            found = way.track.item(i).span;
    }
    return found;
}

// The last backup on the way, for people and for an incremental backup's parent.
void name_writer(LogTail& tail, const LogHistory& history, const Catalog& catalog, const Way& way,
                 const LogBase& base) {
    std::uint32_t newest = base.backup;
    for (auto i = way.reach.first; i < way.reach.last; ++i)
        if (way.track.span(i).backup != LogSpan::kObject)
            newest = std::max(newest, way.track.span(i).backup);
    tail.written_by = history.backups[newest];
    tail.written_by_id = manifest_of(history, catalog, newest).id;
}

// nullopt when nothing can go on from this log.
Result<std::optional<LogTail>> tail_of(StoreReader& store, const Catalog& catalog,
                                       const LogHistory& history, DatabaseLog& log) {
    for (;;) {
        const auto way = newest_way(log);
        if (!way) return std::optional<LogTail>();
        const auto last = last_span(*way);
        if (!last) return std::optional<LogTail>();
        const LogSpan span = log.spans[*last];
        LogTail tail{.log_id = log.id,
                     .identity = log.identity,
                     .end = way->reach.end,
                     .branches = way->track.branches_to(way->reach.end.line),
                     .tail = Json::object(),
                     .written_by = {},
                     .written_by_id = {}};
        name_writer(tail, history, catalog, *way, log.bases.back());
        if (span.backup != LogSpan::kObject) {
            tail.tail = manifest_of(history, catalog, span.backup).log->facts.tail;
            return std::optional(std::move(tail));
        }
        auto read = read_log_header(store, key_of(log.id, span));
        if (read) {
            tail.tail = std::move(read->header.tail);
            return std::optional(std::move(tail));
        }
        if (read.error().code == Code::store) return read.error();
        log.spans.erase(log.spans.begin() + *last);  // it covers nothing
    }
}

}  // namespace

Result<std::vector<LogTail>> log_tails(StoreReader& store, const Catalog& catalog,
                                       std::string_view engine) {
    ASB_TRY(auto history, load_log_history(store, catalog));
    std::vector<LogTail> tails;
    for (auto* log : newest_logs(history, engine)) {
        ASB_TRY(auto tail, tail_of(store, catalog, history, *log));
        if (tail) tails.push_back(std::move(*tail));
    }
    return tails;
}

}  // namespace asb
