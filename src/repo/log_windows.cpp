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

bool is_told(const LogWindow& window, const std::vector<LogWindow>& windows) {
    return std::ranges::any_of(windows, [&](const LogWindow& other) {
        return other.from_time <= window.from_time && other.to_time >= window.to_time;
    });
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
    LogWindows all;
    std::vector<LogTrack> newer;
    for (const auto line : lines_of(log)) {
        LogTrack track(log, line);
        std::optional<std::uint64_t> common;
        for (const auto& other : newer) common = std::max(common, common_until(other, track));
        const auto found = windows_of(track);
        for (const auto& window : found.windows)
            if (!common || window.to.at > *common || !is_told(window, all.windows))
                all.windows.push_back(window);
        for (const auto& gap : found.gaps)
            if (!common || gap.from.at > *common) all.gaps.push_back(gap);
        newer.push_back(std::move(track));
    }
    return all;
}

std::optional<std::uint64_t> common_until(const LogTrack& a, const LogTrack& b) {
    std::optional<std::uint64_t> common;
    const auto count = std::min(a.segments().size(), b.segments().size());
    for (std::size_t i = 0; i < count && a.segments()[i].line == b.segments()[i].line; ++i)
        common = std::min(a.segments()[i].last, b.segments()[i].last);
    return common;
}

}  // namespace asb
