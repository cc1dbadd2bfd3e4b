#include "repo/retention_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/text.hpp"

namespace asb {
namespace {

constexpr auto kEndOfLine = std::numeric_limits<std::uint64_t>::max();

// Instants, both ends included.
class Instants {
  public:
    // Whether [from, to] has one that was not there yet.
    bool add(CommitTime from, CommitTime to) {
        auto at = parts_.upper_bound(from);
        if (at != parts_.begin() && std::prev(at)->second >= before(from)) --at;
        if (at != parts_.end() && at->first <= from && at->second >= to) return false;
        while (at != parts_.end() && before(at->first) <= to) {
            from = std::min(from, at->first);
            to = std::max(to, at->second);
            at = parts_.erase(at);
        }
        parts_.emplace(from, to);
        return true;
    }

  private:
    static CommitTime before(CommitTime time) {
        return time == CommitTime::min() ? time : time - std::chrono::microseconds(1);
    }
    std::map<CommitTime, CommitTime> parts_;
};

// The latest that anything says of when it was written.
CommitTime time_of(const LogSpan& span) {
    const std::chrono::year_month_day day{std::chrono::year{static_cast<int>(span.day / 10000)},
                                          std::chrono::month{span.day / 100 % 100},
                                          std::chrono::day{span.day % 100}};
    const CommitTime end =
        day.ok() ? CommitTime(std::chrono::sys_days(day) + std::chrono::days(1)) : kNoTime;
    return std::max({span.covered_until, span.newest_commit, end});
}

const LogFacts& facts_of(const RetentionCatalog& catalog, std::size_t entry) {
    return catalog.manifest(entry).log->facts;
}

}  // namespace

void NeededStretches::add(std::uint32_t line, std::uint64_t start, std::uint64_t end) {
    if (start <= end) lines_[line].emplace_back(start, end);
}

void NeededStretches::add(const LogTrack& track, std::uint64_t start, std::uint64_t end) {
    for (const auto& segment : track.segments())
        add(segment.line, std::max(start, segment.first), std::min(end, segment.last));
}

void NeededStretches::settle() {
    for (auto& [line, stretches] : lines_) {
        std::sort(stretches.begin(), stretches.end());
        std::vector<Stretch> joined;
        for (const auto& stretch : stretches)
            if (joined.empty() || stretch.first > joined.back().second)
                joined.push_back(stretch);
            else
                joined.back().second = std::max(joined.back().second, stretch.second);
        stretches = std::move(joined);
    }
}

bool NeededStretches::touches(const LogSpan& span) const {
    const auto line = lines_.find(span.line);
    if (line == lines_.end()) return false;
    const auto& stretches = line->second;
    const auto found =
        std::partition_point(stretches.begin(), stretches.end(),
                             [&](const Stretch& stretch) { return stretch.second < span.start; });
    return found != stretches.end() && found->first <= span.end;
}

RetainedLogs::RetainedLogs(const LogHistory& history, const RetentionCatalog& catalog,
                           const RetentionPolicy& policy, Instant now, KeptBackups& kept)
    : history_(history),
      catalog_(catalog),
      policy_(policy),
      now_(now),
      kept_(kept),
      logs_(history.logs.size()),
      is_last_full_(catalog.size()),
      is_touched_(catalog.size()) {
    entry_of_.reserve(history.backups.size());
    for (const auto& name : history.backups) {
        entry_of_.push_back(catalog.find(name));
        ASB_ASSERT(entry_of_.back() != RetentionCatalog::kNone);
    }
    find_members();
    find_last_full();
}

void RetainedLogs::find_members() {
    std::unordered_map<std::string_view, std::size_t> by_id;
    for (std::size_t i = 0; i < logs_.size(); ++i) by_id.emplace(history_.logs[i].id, i);
    for (const auto entry : entry_of_) {
        const auto& own = *catalog_.manifest(entry).log;
        const auto found = by_id.find(own.facts.log_id);
        if (found == by_id.end()) continue;
        const DatabaseLog& log = history_.logs[found->second];
        const bool is_same = log.engine == own.engine && log.identity == own.facts.identity;
        auto& known = logs_[found->second];
        (is_same ? known.members : known.strangers).push_back(entry);
    }
}

// Where streams and incremental backups go on from: the newest full backup of a database. One whose
// clock was ahead is the newest by name only: so are all of those, and the newest of the others.
void RetainedLogs::find_last_full() {
    std::map<std::string_view, std::size_t> last;
    for (std::size_t i = 0; i < catalog_.size(); ++i) {
        const auto& entry = catalog_[i];
        const auto& manifest = catalog_.manifest(i);
        if (!entry.is_good || manifest.type != BackupType::full || !manifest.log) continue;
        if (entry.time > now_)
            is_last_full_[i] = 1;
        else
            last[entry.database] = i;
    }
    for (const auto& [database, entry] : last) is_last_full_[entry] = 1;
}

void RetainedLogs::find() {
    do {
        has_grown_ = false;
        for (std::size_t log = 0; log < logs_.size(); ++log) {
            find_needs(log);
            keep_touched(log);
            keep_branches(log);
            keep_identity(log);
        }
    } while (has_grown_);
    for (std::size_t i = 0; i < catalog_.size(); ++i)
        if (is_touched_[i] != 0) kept_.keep(i, "it holds log that leads to what can be restored");
}

void RetainedLogs::keep(std::size_t entry, std::string reason) {
    if (!kept_.keep(entry, std::move(reason))) return;
    if (catalog_.manifest(entry).type != BackupType::incremental) return;
    keep_parents(catalog_, kept_);
    has_grown_ = true;
}

void RetainedLogs::find_needs(std::size_t log) {
    auto& own = logs_[log];
    own.needed = {};
    own.spare = {};
    for (const auto line : lines_of(history_.logs[log])) {
        const LogTrack track(history_.logs[log], line);
        if (add_window(log, track)) {
            own.is_promised = true;
            keep_line(log, line);
        }
        add_last_full(log, track);
        for (const auto entry : own.members)
            if (stays(entry) && catalog_.manifest(entry).type == BackupType::incremental &&
                facts_of(catalog_, entry).end().line == line)
                add_incremental(log, track, entry);
    }
    // Which log is the newer one is told by its newest backup.
    if (own.is_promised && !own.members.empty())
        keep(own.members.back(), fmt::format("the newest backup of log {}", history_.logs[log].id));
    own.needed.settle();
    own.spare.settle();
}

// Each base from which the planner would reach an instant of the last days, with the way from there
// on. Whether there is one.
bool RetainedLogs::add_window(std::size_t log, const LogTrack& track) {
    const auto days = policy_.database.days;
    if (days == 0) return false;
    const CommitTime first = days_before(now_, days);
    Instants reached;
    bool found = false;
    for (auto base = track.bases().rbegin(); base != track.bases().rend(); ++base) {
        const auto reach = track.reach_of(*base);
        const auto from = std::max(base->consistent_at, first);
        if (from > reach.time || !reached.add(from, reach.time)) continue;
        keep(entry_of_[base->backup],
             fmt::format("instants within the last {} are reached from it", counted(days, "day")));
        logs_[log].needed.add(track, base->consistent.at, reach.end.at);
        found = true;
    }
    return found;
}

void RetainedLogs::add_last_full(std::size_t log, const LogTrack& track) {
    for (const auto& base : track.bases()) {
        if (is_last_full_[entry_of_[base.backup]] == 0) continue;
        logs_[log].needed.add(track, base.consistent.at, track.reach_of(base).end.at);
        logs_[log].spare.add(track, base.consistent.at, kEndOfLine);
    }
}

void RetainedLogs::add_incremental(std::size_t log, const LogTrack& track, std::size_t entry) {
    const LogBase* base = base_for(track, entry);
    if (base == nullptr) return;  // it cannot be restored as things are
    keep(entry_of_[base->backup],
         fmt::format("the incremental backup {} is restored from it", catalog_[entry].entry->name));
    // What begins where it ends is not needed for it; but a base that is consistent there is what
    // it is restored from as soon as it has no other right to stay.
    const auto end = facts_of(catalog_, entry).end().at;
    if (end > base->consistent.at) logs_[log].needed.add(track, base->consistent.at, end - 1);
    const auto& bases = track.bases();
    auto same = std::partition_point(bases.begin(), bases.end(),
                                     [&](const auto& b) { return b.consistent.at < end; });
    for (; same != bases.end() && same->consistent.at == end; ++same)
        keep(entry_of_[same->backup], fmt::format("it is consistent where the incremental backup "
                                                  "{} ends",
                                                  catalog_[entry].entry->name));
}

// The full backup at the beginning of its chain, when it is on the way.
const LogBase* RetainedLogs::root_base(const LogTrack& track, std::size_t entry) const {
    const auto root = catalog_.root_of(entry);
    const auto& log = catalog_.manifest(root).log;
    if (!log || !log->facts.consistent) return nullptr;
    const auto at = log->facts.consistent->at;
    const auto& bases = track.bases();
    auto base = std::partition_point(bases.begin(), bases.end(),
                                     [&](const auto& b) { return b.consistent.at < at; });
    for (; base != bases.end() && base->consistent.at == at; ++base)
        if (entry_of_[base->backup] == root) return &*base;
    return nullptr;
}

// The base that it is restored from when all else is gone: of one that stays by its own right the
// one at the beginning of its chain. One whose log others need takes the newest, which lies in what
// they need.
const LogBase* RetainedLogs::base_for(const LogTrack& track, std::size_t entry) const {
    const auto end = facts_of(catalog_, entry).end().at;
    const auto reaches = [&](const LogBase& base) {
        return base.consistent.at <= end && track.reach_of(base).end.at >= end;
    };
    const LogBase* root = kept_.is_kept(entry) ? root_base(track, entry) : nullptr;
    if (root != nullptr && reaches(*root)) return root;
    // The newest one before the end lies in the stretch that holds the end, or none does.
    const auto& bases = track.bases();
    const auto after = std::partition_point(bases.begin(), bases.end(),
                                            [&](const auto& b) { return b.consistent.at <= end; });
    return after != bases.begin() && reaches(*std::prev(after)) ? &*std::prev(after) : nullptr;
}

// A line of which nothing is left is no way any more.
void RetainedLogs::keep_line(std::size_t log, std::uint32_t line) {
    const auto& spans = history_.logs[log].spans;
    const auto after = std::ranges::upper_bound(spans, line, {}, &LogSpan::line);
    if (after == spans.begin() || std::prev(after)->line != line) return;
    const auto& last = *std::prev(after);
    if (last.backup == LogSpan::kObject)
        logs_[log].spare.add(line, last.start, last.end);
    else
        keep(entry_of_[last.backup], fmt::format("the newest backup of line {}", line));
}

void RetainedLogs::keep_touched(std::size_t log) {
    for (const auto& span : history_.logs[log].spans) {
        if (span.backup == LogSpan::kObject || !logs_[log].needed.touches(span)) continue;
        const auto entry = entry_of_[span.backup];
        if (stays(entry)) continue;
        is_touched_[entry] = 1;
        has_grown_ = has_grown_ || catalog_.manifest(entry).type == BackupType::incremental;
    }
}

// The lines with a stretch that stays, and those they come from.
std::vector<std::uint32_t> RetainedLogs::lines_that_matter(std::size_t log) const {
    std::set<std::uint32_t> lines;
    for (const auto line : lines_of(history_.logs[log]))
        if (logs_[log].needed.has(line) || logs_[log].spare.has(line)) lines.insert(line);
    for (auto line = lines.rbegin(); line != lines.rend(); ++line)
        if (const auto* branch = branch_of(history_.logs[log], *line)) lines.insert(branch->parent);
    return {lines.begin(), lines.end()};
}

// How a line came to be is known from backups. Who says it last stays. Where they contradict each
// other nobody is believed; as long as one of them stays, so does one for each thing that is said.
void RetainedLogs::keep_branches(std::size_t log) {
    const auto lines = lines_that_matter(log);
    std::map<LogBranch, std::size_t> told;
    std::set<std::uint32_t> contradicted;
    for (const auto entry : logs_[log].members)
        for (const auto& branch : facts_of(catalog_, entry).branches) {
            told[branch] = entry;
            if (stays(entry) && branch_of(history_.logs[log], branch.line) == nullptr)
                contradicted.insert(branch.line);
        }
    for (const auto& [branch, entry] : told)
        if (std::ranges::binary_search(lines, branch.line) || contradicted.contains(branch.line))
            keep(entry, fmt::format("it says last where line {} comes from", branch.line));
}

// Whose log it is, its first backup says.
void RetainedLogs::keep_identity(std::size_t log) {
    const auto& own = logs_[log];
    const auto stays_on = [&](std::size_t entry) { return stays(entry); };
    if (!own.members.empty() && std::ranges::any_of(own.strangers, stays_on))
        keep(own.members.front(), fmt::format("the first backup of log {}: another database wrote "
                                              "under its name",
                                              history_.logs[log].id));
}

bool RetainedLogs::has_rules() const {
    return policy_.database.any() || policy_.max_age_days != 0;
}

bool RetainedLogs::is_old(const LogSpan& span) const {
    const auto& rules = policy_.database;
    const auto time = time_of(span);
    const auto least = std::max({kLogDaysMin, policy_.min_age_days, rules.days});
    if (time >= CommitTime(days_before(now_, least))) return false;
    if (rules.any()) return true;
    return has_rules() && time < CommitTime(days_before(now_, policy_.max_age_days));
}

std::string RetainedLogs::removal_reason() const {
    if (!policy_.database.any())
        return fmt::format("older than {}, and nothing that stays needs it",
                           counted(policy_.max_age_days, "day"));
    if (policy_.database.days == 0) return "nothing that stays needs it";
    return fmt::format("no instant within the last {} needs it, and nothing else that stays",
                       counted(policy_.database.days, "day"));
}

std::vector<RemovedObjects> RetainedLogs::removed_objects() const {
    std::vector<RemovedObjects> all;
    for (std::size_t log = 0; log < logs_.size(); ++log) {
        RemovedObjects removed{.log = static_cast<std::uint32_t>(log),
                               .spans = {},
                               .reason = removal_reason(),
                               .is_whole_log = has_rules()};
        const auto& own = logs_[log];
        const auto& spans = history_.logs[log].spans;
        for (auto i = spans.size(); i-- > 0;) {
            if (spans[i].backup != LogSpan::kObject) continue;
            if (is_old(spans[i]) && !own.needed.touches(spans[i]) && !own.spare.touches(spans[i]))
                removed.spans.push_back(static_cast<std::uint32_t>(i));
            else
                removed.is_whole_log = false;
        }
        removed.is_whole_log = removed.is_whole_log && !has_backup(log);
        if (removed.is_whole_log || !removed.spans.empty()) all.push_back(std::move(removed));
    }
    return all;
}

// Whether one stays that is the log's, or may be: of a damaged one it is not always known whose log
// it has.
bool RetainedLogs::has_backup(std::size_t log) const {
    const auto& own = logs_[log];
    for (const auto* entries : {&own.members, &own.strangers})
        for (const auto entry : *entries)
            if (stays(entry)) return true;
    for (std::size_t i = 0; i < catalog_.size(); ++i) {
        if (catalog_[i].is_good || !stays(i)) continue;
        const auto& manifest = catalog_.manifest(i);
        if (manifest.log ? manifest.log->facts.log_id == history_.logs[log].id
                         : manifest.id.empty())
            return true;
    }
    return false;
}

}  // namespace asb
