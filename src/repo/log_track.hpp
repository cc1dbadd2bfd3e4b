#pragma once
// Why this exists: a log with branches is a tree; a recovery goes along one way through it, from
// its first line to the line on which it stops. On that way everything is a matter of numbers:
// which stretches are covered, and how far one gets from a base.

#include <cstddef>
#include <optional>
#include <vector>

#include "repo/log_history.hpp"

namespace asb {

// The way to one line: each line that it comes from up to where it was left. Positions ascend along
// it. Borrows the log.
class LogTrack {
  public:
    // Of one line, what belongs to the way: [first, last].
    struct Segment {
        std::uint32_t line = 0;
        std::uint64_t first = 0;
        std::uint64_t last = ~std::uint64_t{0};
    };
    // A span, cut to its segment.
    struct Item {
        std::uint32_t span = 0;  // index into DatabaseLog::spans
        std::uint64_t start = 0;
        std::uint64_t end = 0;
    };
    // Items without a gap between them.
    struct Stretch {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        std::size_t first = 0;  // items [first, last)
        std::size_t last = 0;
    };
    // How far one gets from a base.
    struct Reach {
        LogPoint end;           // of the cover; the base's consistent point when nothing follows
        CommitTime time{};      // every instant from consistent_at to this one can be reached
        std::size_t first = 0;  // items of the stretch that the base lies in; none: first == last
        std::size_t last = 0;
    };

    LogTrack(const DatabaseLog& log, std::uint32_t line);

    [[nodiscard]] const DatabaseLog& log() const { return log_; }
    [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
    [[nodiscard]] const std::vector<Stretch>& stretches() const { return stretches_; }
    [[nodiscard]] const std::vector<LogBase>& bases() const { return bases_; }  // by position
    [[nodiscard]] std::size_t size() const { return items_.size(); }
    [[nodiscard]] Item item(std::size_t index) const;
    [[nodiscard]] const LogSpan& span(std::size_t index) const { return log_.spans[items_[index]]; }
    // Whether the way leaves the item's line before the span ends: what it says of commits may be
    // of what comes after.
    [[nodiscard]] bool is_cut_short(std::size_t index) const;
    // Whether its newest commit certainly lies in the item, and not before `from`.
    [[nodiscard]] bool has_newest_after(std::size_t index, std::uint64_t from) const;
    // The first item of [first, last) that ends after `at`; last: none.
    [[nodiscard]] std::size_t first_ending_after(std::uint64_t at, const Reach& reach) const;

    // `base` is one of bases().
    [[nodiscard]] Reach reach_of(const LogBase& base) const;
    // The line that the way is on at `at`; the older one where it changes.
    [[nodiscard]] std::uint32_t line_at(std::uint64_t at) const;
    // The branches on the way up to `line`.
    [[nodiscard]] std::vector<LogBranch> branches_to(std::uint32_t line) const;

  private:
    void find_segments(std::uint32_t line);
    void find_items();
    void find_stretches();
    void find_times(const Stretch& stretch);
    void find_bases();
    [[nodiscard]] const Segment* segment_of(std::uint32_t line) const;

    const DatabaseLog& log_;
    std::vector<Segment> segments_;     // the first line first
    std::vector<std::uint32_t> items_;  // indexes of spans, by start
    std::vector<std::uint64_t> ends_;   // the greatest end of items up to this one, a stretch
    std::vector<CommitTime> times_;     // the latest instant that items from this one on reach
    std::vector<Stretch> stretches_;
    std::vector<LogBase> bases_;
};

// The lines of which something is kept, the newest first.
std::vector<std::uint32_t> lines_of(const DatabaseLog& log);
// How a line came to be; null when that is not known.
const LogBranch* branch_of(const DatabaseLog& log, std::uint32_t line);

}  // namespace asb
