#include "repo/log_windows.hpp"

#include <algorithm>
#include <utility>

namespace asb {
namespace {

CommitTime last_commit(const LogTrack& track, const LogTrack::Reach& reach, std::uint64_t from) {
    for (std::size_t i = reach.last; i-- > reach.first;)
        if (track.span(i).has_commits() && track.has_newest_after(i, from))
            return track.span(i).newest_commit;
    return kNoTime;
}

bool is_part_of(const LogTrack::Reach& reach, const LogBase& base, const LogWindow& window) {
    return window.to == reach.end && window.from_time <= base.consistent_at &&
           window.to_time >= reach.time;
}

// The latest instant that a stretch tells of.
CommitTime time_of(const LogTrack& track, const LogTrack::Stretch& stretch) {
    CommitTime latest = kNoTime;
    for (auto i = stretch.first; i < stretch.last; ++i)
        if (!track.is_cut_short(i))
            latest = std::max({latest, track.span(i).covered_until, track.span(i).newest_commit});
    return latest;
}

std::vector<LogGap> gaps_of(const LogTrack& track) {
    std::vector<LogGap> gaps;
    const auto& stretches = track.stretches();
    for (std::size_t i = 1; i < stretches.size(); ++i) {
        // What was lost before there was any base is nobody's loss.
        if (track.bases().empty() || stretches[i].start <= track.bases().front().consistent.at)
            continue;
        gaps.push_back(
            {.from = {.line = track.line_at(stretches[i - 1].end), .at = stretches[i - 1].end},
             .to = {.line = track.span(stretches[i].first).line, .at = stretches[i].start},
             .kept_to = {.line = track.line_at(stretches[i].end), .at = stretches[i].end},
             .kept_until = time_of(track, stretches[i])});
    }
    return gaps;
}

// Of two that are on one way where `inner` is.
bool contains(const LogWindow& outer, const LogWindow& inner) {
    return outer.from.line <= inner.to.line && outer.from.at <= inner.from.at &&
           inner.to.at <= outer.to.at && outer.from_time <= inner.from_time &&
           inner.to_time <= outer.to_time;
}

// The windows of one way after the other. What two ways share is told once: by the newer one, or by
// the older one where that goes on and the newer one does not.
class WindowList {
  public:
    void add(LogTrack way) {
        shared_.clear();
        for (const auto& newer : ways_) shared_.push_back(common_until(newer, way));
        const auto shared = shared_.empty() ? std::nullopt : *std::ranges::max_element(shared_);
        const auto found = windows_of(way);
        for (const auto& window : found.windows) {
            if (shared && is_told(window)) continue;
            if (shared) forget_parts_of(window);
            told_.push_back({.window = window, .way = ways_.size()});
            if (shared)
                told_.back().window.left_behind = left_before(way, ways_.front(), window.to.at);
        }
        for (const auto& gap : found.gaps)
            if (!shared || gap.from.at > *shared) gaps_.push_back(gap);
        ways_.push_back(std::move(way));
    }
    LogWindows take() {
        LogWindows all{.windows = {}, .gaps = std::move(gaps_)};
        all.windows.reserve(told_.size());
        for (auto& told : told_) all.windows.push_back(told.window);
        return all;
    }

  private:
    struct Told {
        LogWindow window;
        std::size_t way = 0;  // index into ways_
    };

    [[nodiscard]] bool is_told(const LogWindow& window) const {
        return std::ranges::any_of(told_, [&](const Told& told) {
            return is_shared(window.to, told.way) && contains(told.window, window);
        });
    }
    void forget_parts_of(const LogWindow& window) {
        std::erase_if(told_, [&](const Told& told) {
            return is_shared(told.window.to, told.way) && contains(window, told.window);
        });
    }
    // Whether the way that is being added leads there too, as the one of that number does.
    [[nodiscard]] bool is_shared(const LogPoint& point, std::size_t way) const {
        return way < shared_.size() && shared_[way] && point.at <= *shared_[way];
    }

    std::vector<LogTrack> ways_;                        // the newest line's first
    std::vector<std::optional<std::uint64_t>> shared_;  // with each of ways_: up to where
    std::vector<Told> told_;
    std::vector<LogGap> gaps_;
};

}  // namespace

LogWindows windows_of(const LogTrack& track) {
    LogWindows found{.windows = {}, .gaps = gaps_of(track)};
    for (const auto& base : track.bases()) {
        const auto reach = track.reach_of(base);
        auto& windows = found.windows;
        // Those of the same stretch are the last ones.
        bool is_part = false;
        for (auto window = windows.rbegin();
             !is_part && window != windows.rend() && window->to == reach.end; ++window)
            is_part = is_part_of(reach, base, *window);
        if (is_part) continue;
        windows.push_back({.base = base.backup,
                           .from = base.consistent,
                           .to = reach.end,
                           .from_time = base.consistent_at,
                           .to_time = reach.time,
                           .last_commit = last_commit(track, reach, base.consistent.at)});
    }
    return found;
}

LogWindows restorable_windows(const DatabaseLog& log) {
    WindowList list;
    for (const auto line : lines_of(log)) list.add(LogTrack(log, line));
    return list.take();
}

std::optional<std::uint64_t> common_until(const LogTrack& a, const LogTrack& b) {
    std::optional<std::uint64_t> common;
    const auto count = std::min(a.segments().size(), b.segments().size());
    for (std::size_t i = 0; i < count && a.segments()[i].line == b.segments()[i].line; ++i)
        common = std::min(a.segments()[i].last, b.segments()[i].last);
    return common;
}

std::optional<LogBranch> left_before(const LogTrack& track, const LogTrack& newest,
                                     std::uint64_t end) {
    const auto common = common_until(track, newest);
    if (!common || *common >= end) return std::nullopt;
    return LogBranch{
        .line = newest.segments().back().line, .parent = newest.line_at(*common), .at = *common};
}

}  // namespace asb
