#include "repo/log_track.hpp"

#include <algorithm>
#include <set>

namespace asb {
namespace {

constexpr std::chrono::microseconds kTick{1};

// The instants that a span whose newest commit certainly counts reaches: all before that commit,
// since it is then the first one left out or one before it is.
CommitTime time_of(const LogSpan& span, bool newest_counts) {
    if (!newest_counts || !span.has_commits()) return span.covered_until;
    return std::max(span.covered_until, span.newest_commit - kTick);
}

}  // namespace

LogTrack::LogTrack(const DatabaseLog& log, std::uint32_t line) : log_(log) {
    find_segments(line);
    find_items();
    find_stretches();
    find_bases();
}

void LogTrack::find_segments(std::uint32_t line) {
    Segment segment{.line = line};
    // A parent's number is smaller, so this ends.
    for (const auto* branch = branch_of(log_, line); branch != nullptr;
         branch = branch_of(log_, segment.line)) {
        segment.first = branch->at;
        segments_.push_back(segment);
        segment = {.line = branch->parent, .first = 0, .last = std::min(branch->at, segment.last)};
    }
    segments_.push_back(segment);
    std::reverse(segments_.begin(), segments_.end());
}

void LogTrack::find_items() {
    for (const auto& segment : segments_) {
        if (segment.first > segment.last) continue;  // branches that contradict each other
        // clang 14 does not compile ranges::equal_range of this library.
        const auto first = std::ranges::lower_bound(log_.spans, segment.line, {}, &LogSpan::line);
        const auto last = std::ranges::upper_bound(log_.spans, segment.line, {}, &LogSpan::line);
        for (auto span = first; span != last; ++span)
            if (span->start <= segment.last && span->end >= segment.first)
                items_.push_back(static_cast<std::uint32_t>(span - log_.spans.begin()));
    }
}

LogTrack::Item LogTrack::item(std::size_t index) const {
    const LogSpan& whole = span(index);
    const Segment* segment = segment_of(whole.line);
    return {.span = items_[index],
            .start = std::max(whole.start, segment->first),
            .end = std::min(whole.end, segment->last)};
}

void LogTrack::find_stretches() {
    ends_.resize(items_.size());
    times_.resize(items_.size(), kNoTime);
    for (std::size_t i = 0; i < items_.size(); ++i) {
        const Item next = item(i);
        if (stretches_.empty() || next.start > stretches_.back().end)
            stretches_.push_back({.start = next.start, .end = next.end, .first = i, .last = i});
        Stretch& stretch = stretches_.back();
        stretch.end = std::max(stretch.end, next.end);
        stretch.last = i + 1;
        ends_[i] = stretch.end;
    }
    for (const auto& stretch : stretches_) find_times(stretch);
}

void LogTrack::find_times(const Stretch& stretch) {
    CommitTime latest = kNoTime;
    for (std::size_t i = stretch.last; i-- > stretch.first;) {
        if (!is_cut_short(i)) latest = std::max(latest, time_of(span(i), has_newest_after(i, 0)));
        times_[i] = latest;
    }
}

void LogTrack::find_bases() {
    for (const auto& base : log_.bases) {
        const Segment* segment = segment_of(base.consistent.line);
        if (segment != nullptr && base.consistent.at >= segment->first &&
            base.consistent.at <= segment->last)
            bases_.push_back(base);
    }
    std::stable_sort(bases_.begin(), bases_.end(), [](const LogBase& a, const LogBase& b) {
        return a.consistent.at < b.consistent.at;
    });
}

const LogTrack::Segment* LogTrack::segment_of(std::uint32_t line) const {
    for (const auto& segment : segments_)
        if (segment.line == line) return &segment;
    return nullptr;
}

bool LogTrack::is_cut_short(std::size_t index) const {
    return span(index).end > segment_of(span(index).line)->last;
}

bool LogTrack::has_newest_after(std::size_t index, std::uint64_t from) const {
    const LogSpan& whole = span(index);
    return !whole.shares_times && whole.start >= from &&
           whole.start >= segment_of(whole.line)->first && !is_cut_short(index);
}

std::size_t LogTrack::first_ending_after(std::uint64_t at, const Reach& reach) const {
    const auto first = ends_.begin() + static_cast<std::ptrdiff_t>(reach.first);
    const auto last = ends_.begin() + static_cast<std::ptrdiff_t>(reach.last);
    return static_cast<std::size_t>(std::upper_bound(first, last, at) - ends_.begin());
}

LogTrack::Reach LogTrack::reach_of(const LogBase& base) const {
    Reach reach{.end = base.consistent, .time = base.consistent_at};
    const auto at = base.consistent.at;
    auto stretch = std::upper_bound(stretches_.begin(), stretches_.end(), at,
                                    [](auto point, const Stretch& s) { return point < s.start; });
    if (stretch == stretches_.begin() || (--stretch)->end < at) return reach;
    reach.first = stretch->first;
    reach.last = stretch->last;
    // A base may be of the line that begins where the cover ends.
    reach.end = std::max(base.consistent, {.line = line_at(stretch->end), .at = stretch->end});
    // What begins at or after the consistent point counts whole.
    std::size_t i = stretch->first;
    for (std::size_t count = stretch->last - i; count > 0;) {
        const auto half = count / 2;
        if (item(i + half).start < at) {
            i += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    if (i < stretch->last) reach.time = std::max(reach.time, times_[i]);
    // What begins before it and goes on to it tells of commits on both sides: what it says of time
    // holds all the same.
    while (i-- > stretch->first && ends_[i] >= at)
        if (item(i).end >= at && !is_cut_short(i))
            reach.time = std::max(reach.time, span(i).covered_until);
    return reach;
}

std::uint32_t LogTrack::line_at(std::uint64_t at) const {
    for (const auto& segment : segments_)
        if (at <= segment.last) return segment.line;
    return segments_.back().line;
}

std::vector<LogBranch> LogTrack::branches_to(std::uint32_t line) const {
    std::vector<LogBranch> branches;
    for (std::size_t i = 1; i < segments_.size(); ++i) {
        if (segments_[i].line > line) break;
        branches.push_back(
            {.line = segments_[i].line, .parent = segments_[i - 1].line, .at = segments_[i].first});
    }
    return branches;
}

std::vector<std::uint32_t> lines_of(const DatabaseLog& log) {
    std::set<std::uint32_t, std::greater<>> lines;
    for (const auto& span : log.spans)
        if (lines.empty() || *lines.begin() != span.line) lines.insert(span.line);
    for (const auto& base : log.bases) lines.insert(base.consistent.line);
    return {lines.begin(), lines.end()};
}

const LogBranch* branch_of(const DatabaseLog& log, std::uint32_t line) {
    const auto found = std::ranges::find(log.branches, line, &LogBranch::line);
    return found == log.branches.end() ? nullptr : &*found;
}

}  // namespace asb
