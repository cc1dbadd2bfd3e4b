#include "repo/recovery_plan.hpp"

#include <algorithm>
#include <functional>

#include "repo/recovery_chain.hpp"

namespace asb {
namespace {

using Kind = LogTarget::Kind;

bool is_position(const LogTarget& target) {
    return target.kind == Kind::position || target.kind == Kind::limit;
}

// Whether the target lies between a base and what is covered after it.
bool is_within(const LogTarget& target, const LogBase& base, const LogTrack::Reach& reach) {
    if (target.kind == Kind::time)
        return base.consistent_at <= target.time && target.time <= reach.time;
    if (is_position(target))
        return base.consistent.at <= last_position(target) && last_position(target) <= reach.end.at;
    return true;
}

std::optional<RecoveryPlan> plan_on(const LogTrack& track, const LogTarget& target) {
    for (auto base = track.bases().rbegin(); base != track.bases().rend(); ++base) {
        const auto reach = track.reach_of(*base);
        if (is_within(target, *base, reach)) return chain_from(track, *base, reach, target);
    }
    return std::nullopt;
}

// A position is one on its line; anything else is looked for on all lines, the newest first.
std::vector<std::uint32_t> lines_for(const DatabaseLog& log, const LogTarget& target) {
    auto lines = lines_of(log);
    if (!is_position(target) || lines.empty()) return lines;
    if (target.position.line == 0) return {lines.front()};
    const bool is_known = std::ranges::find(lines, target.position.line) != lines.end() ||
                          branch_of(log, target.position.line) != nullptr;
    return is_known ? std::vector<std::uint32_t>{target.position.line}
                    : std::vector<std::uint32_t>{};
}

std::optional<RecoveryPlan> plan_in(const DatabaseLog& log, const LogTarget& target) {
    const auto newest = lines_of(log).front();
    for (const auto line : lines_for(log, target)) {
        const LogTrack track(log, line);
        auto plan = plan_on(track, target);
        if (!plan) continue;
        if (line != newest)
            plan->left_behind = left_before(track, LogTrack(log, newest), plan->end.at);
        return plan;
    }
    return std::nullopt;
}

// Logs with a base, the newest first; for a position, those of the newest one's database only:
// positions of different databases have nothing to do with each other.
std::vector<std::size_t> logs_for(const LogHistory& history, const LogTarget& target) {
    std::vector<std::size_t> logs;
    for (auto i = history.logs.size(); i-- > 0;) {
        const DatabaseLog& log = history.logs[i];
        if (log.bases.empty()) continue;
        const DatabaseLog& newest = logs.empty() ? log : history.logs[logs.front()];
        const bool is_same = log.engine == newest.engine && log.identity == newest.identity;
        if (is_same || !is_position(target)) logs.push_back(i);
        if (target.kind == Kind::latest) break;
    }
    return logs;
}

// Those behind logs[chosen] that reach the target too.
std::vector<OtherWay> other_ways(const LogHistory& history, const std::vector<std::size_t>& logs,
                                 std::size_t chosen, const LogTarget& target) {
    std::vector<OtherWay> others;
    if (target.kind != Kind::time) return others;
    for (auto i = chosen + 1; i < logs.size(); ++i)
        if (const auto plan = plan_in(history.logs[logs[i]], target))
            others.push_back({.log = logs[i], .base = plan->base.backup});
    return others;
}

using Gaps = std::vector<std::pair<std::size_t, LogGap>>;  // with their logs

// Looks for the windows nearest to a target, measured in whatever the target is.
template <typename Measure>
class Nearest {
  public:
    explicit Nearest(Measure target) : target_(target) {}

    void offer(std::size_t log, const LogWindow& window, Measure from, Measure to) {
        if (to < target_ && (!before_ || to > before_at_)) {
            before_ = {.log = log, .base = window.base, .time = window.to_time, .point = window.to};
            before_at_ = to;
        }
        if (from > target_ && (!after_ || from < after_at_)) {
            after_ = {
                .log = log, .base = window.base, .time = window.from_time, .point = window.from};
            after_at_ = from;
        }
    }

    // `kept_until` gives the end of what is kept behind a gap.
    template <typename KeptUntil>
    [[nodiscard]] Unreachable result(const Gaps& gaps, KeptUntil kept_until) const {
        using Why = Unreachable::Why;
        Unreachable result{.why = before_ && after_ ? Why::gap
                                  : before_         ? Why::after_end
                                  : after_          ? Why::before_first
                                                    : Why::no_base,
                           .gap = std::nullopt,
                           .before = before_,
                           .after = after_};
        bool is_kept = false;
        for (const auto& [log, gap] : gaps) {
            if (!before_ || before_->log != log || gap.from.at < before_->point.at) continue;
            if (gap.from == before_->point) result.gap = gap;
            is_kept = is_kept || target_ <= kept_until(gap);
        }
        if (result.gap && is_kept) result.why = Why::gap;
        return result;
    }

  private:
    Measure target_;
    std::optional<ReachableInstant> before_;
    std::optional<ReachableInstant> after_;
    Measure before_at_{};
    Measure after_at_{};
};

void add_gaps(std::size_t log, const LogWindows& found, Gaps& gaps) {
    for (const auto& gap : found.gaps) gaps.emplace_back(log, gap);
}

Unreachable no_such_time(const LogHistory& history, const std::vector<std::size_t>& logs,
                         CommitTime time) {
    Nearest<CommitTime> nearest(time);
    Gaps gaps;
    for (const auto log : logs) {
        const auto found = restorable_windows(history.logs[log]);
        add_gaps(log, found, gaps);
        for (const auto& window : found.windows)
            nearest.offer(log, window, window.from_time, window.to_time);
    }
    return nearest.result(gaps, [](const LogGap& gap) { return gap.kept_until; });
}

// The position on the newest line on which it can be reached, when it names none.
std::optional<LogPoint> on_any_line(const DatabaseLog& log, const LogTarget& target) {
    if (target.position.line != 0) return std::nullopt;
    for (const auto line : lines_of(log))
        if (line != 0 && plan_on(LogTrack(log, line), target))
            return LogPoint{.line = line, .at = target.position.at};
    return std::nullopt;
}

Unreachable no_such_position(const LogHistory& history, const std::vector<std::size_t>& logs,
                             const LogTarget& target) {
    Nearest<std::uint64_t> nearest(last_position(target));
    Gaps gaps;
    bool is_line_known = logs.empty();
    for (const auto log : logs)
        for (const auto line : lines_for(history.logs[log], target)) {
            is_line_known = true;
            const auto found = windows_of(LogTrack(history.logs[log], line));
            add_gaps(log, found, gaps);
            for (const auto& window : found.windows)
                nearest.offer(log, window, window.from.at, window.to.at);
        }
    auto result = nearest.result(gaps, [](const LogGap& gap) { return gap.kept_to.at; });
    if (!is_line_known) result.why = Unreachable::Why::unknown_line;
    for (const auto log : logs)
        if (!result.on_other_line) result.on_other_line = on_any_line(history.logs[log], target);
    return result;
}

// Bases from which a name can be looked for, the newest first, and up to where each one is.
struct NameSearch {
    std::size_t log = 0;
    std::uint32_t line = 0;
    LogBase base;
    std::optional<std::uint64_t> until;  // where the search from the next newer base began
};

void add_searches(std::size_t index, const LogTrack& track, std::optional<std::uint64_t> common,
                  std::vector<NameSearch>& searches) {
    std::optional<LogBase> newer;
    std::uint64_t newer_end = 0;
    for (auto base = track.bases().rbegin(); base != track.bases().rend(); ++base) {
        const auto end = track.reach_of(*base).end.at;
        if (common && end <= *common) continue;  // searched on the newer line
        NameSearch search{.log = index,
                          .line = track.segments().back().line,
                          .base = *base,
                          .until = std::nullopt};
        if (newer && newer_end == end) search.until = newer->consistent.at;
        searches.push_back(search);
        newer = *base;
        newer_end = end;
    }
}

std::vector<NameSearch> name_searches(const LogHistory& history, const LogTarget& target) {
    std::vector<NameSearch> searches;
    for (const auto index : logs_for(history, target)) {
        std::vector<LogTrack> newer;
        for (const auto line : lines_of(history.logs[index])) {
            LogTrack track(history.logs[index], line);
            std::optional<std::uint64_t> common;
            for (const auto& other : newer) common = std::max(common, common_until(other, track));
            add_searches(index, track, common, searches);
            newer.push_back(std::move(track));
        }
    }
    return searches;
}

}  // namespace

Planned plan_recovery(const LogHistory& history, const LogTarget& target) {
    if (target.kind == Kind::name) return plan_name(history, target, 0);
    const auto logs = logs_for(history, target);
    for (std::size_t i = 0; i < logs.size(); ++i)
        if (auto plan = plan_in(history.logs[logs[i]], target)) {
            plan->log = logs[i];
            plan->others = other_ways(history, logs, i, target);
            return std::move(*plan);
        }
    if (is_position(target)) return no_such_position(history, logs, target);
    return no_such_time(history, logs, target.time);
}

Planned plan_name(const LogHistory& history, const LogTarget& target, std::size_t attempt) {
    using Why = Unreachable::Why;
    const auto searches = name_searches(history, target);
    if (attempt >= searches.size())
        return Unreachable{.why = searches.empty() ? Why::no_base : Why::no_name,
                           .gap = std::nullopt,
                           .before = std::nullopt,
                           .after = std::nullopt};
    const NameSearch& search = searches[attempt];
    const LogTrack track(history.logs[search.log], search.line);
    auto plan = chain_from(track, search.base, track.reach_of(search.base), target);
    plan.log = search.log;
    if (search.until)
        plan.search.until = {.line = track.line_at(*search.until), .at = *search.until};
    return plan;
}

}  // namespace asb
