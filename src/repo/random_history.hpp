#pragma once
// Why this exists: a random history of which everything is known: each commit, its place and its
// time; and what a repository has kept of it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

#include "repo/log_history_fixture.hpp"

namespace asb {

inline constexpr int kPlaces = 48;  // positions of a line are 0 to this
inline constexpr int kLines = 5;
inline constexpr int kTimes = 90;  // no clock gets there

// What really happened.
struct Line {
    int number = 0;
    int parent = 0;  // 0: the first line
    int left_at = 0;
    std::array<int, kPlaces> commit{};  // time of the commit at [place, place + 1); -1: none
    std::array<int, kPlaces + 1> clock{};
};

// Full backups, incrementals, log objects, gaps, overlaps, branches and clock steps, all at random.
class World {
  public:
    explicit World(unsigned seed) : random_(seed) {
        const int count = chance(2) ? 1 : number(2, kLines);
        for (int i = 1; i <= count; ++i) add_line(i);
        const int backups = number(0, 7);
        for (int i = 0; i < backups; ++i) add_backup(i);
        const int objects = number(0, chance(3) ? 25 : 8);
        for (int i = 0; i < objects; ++i) add_object();
        history = make_log_history(catalog_, {{"a", streamed_}});
    }

    // The lines on the way to `number`, and up to where each is followed.
    struct Part {
        int line;
        int first;
        int last;
    };
    [[nodiscard]] std::vector<Part> way_to(int number) const {
        std::vector<Part> parts;
        int last = kPlaces;
        while (true) {
            const Line& line = lines.at(number);
            parts.insert(parts.begin(), {number, line.left_at, last});
            if (line.parent == 0) return parts;
            last = line.left_at;
            number = line.parent;
        }
    }

    std::map<int, Line> lines;
    LogHistory history;

  private:
    int number(int first, int last) {
        return std::uniform_int_distribution<int>(first, last)(random_);
    }
    bool chance(int one_in) { return number(1, one_in) == 1; }

    void add_line(int index) {
        Line line;
        line.number = index;
        int clock = number(1, 10);
        if (index > 1) {
            line.parent = number(1, index - 1);
            const Line& parent = lines.at(line.parent);
            line.left_at = number(parent.left_at, kPlaces - 1);
            clock = parent.clock.at(static_cast<std::size_t>(line.left_at));
        }
        // A line's first file repeats what came before it.
        line.commit.fill(-1);
        for (int place = 0; index > 1 && place < line.left_at; ++place)
            line.commit.at(static_cast<std::size_t>(place)) =
                lines.at(line.parent).commit.at(static_cast<std::size_t>(place));
        for (int place = 0; place <= kPlaces; ++place) {
            const auto at = static_cast<std::size_t>(place);
            if (place > line.left_at) clock = step(clock);
            line.clock.at(at) = place < line.left_at ? lines.at(line.parent).clock.at(at) : clock;
            if (place < kPlaces && place >= line.left_at && chance(2)) {
                clock = step(clock);
                line.commit.at(at) = clock;
            }
        }
        lines[index] = line;
    }
    int step(int clock) {
        if (chance(12)) clock -= number(1, 12);
        return std::clamp(clock + number(0, 2), 0, kTimes - 5);
    }

    // The newest commit of the ranges, and the clock at their end.
    [[nodiscard]] TestTimes times_of(const std::vector<LogRange>& ranges) const {
        TestTimes times;
        for (const auto& range : ranges) {
            const Line& line = lines.at(static_cast<int>(range.line));
            for (auto at = range.start; at < range.end; ++at)
                times.newest = std::max<std::int64_t>(times.newest, line.commit.at(at));
            times.covered = line.clock.at(range.end);
        }
        return times;
    }
    LogRange some_range(int longest) {
        const Line& line = lines.at(number(1, static_cast<int>(lines.size())));
        const int start = number(chance(4) ? std::max(0, line.left_at - 5) : line.left_at, kPlaces);
        return {.line = static_cast<std::uint32_t>(line.number),
                .start = static_cast<std::uint64_t>(start),
                .end = static_cast<std::uint64_t>(std::min(start + number(0, longest), kPlaces))};
    }
    // Now and then one that goes on over the end of its line.
    std::vector<LogRange> some_ranges(int longest) {
        std::vector<LogRange> ranges = {some_range(longest)};
        for (const auto& [index, line] : lines) {
            auto& last = ranges.back();
            const auto left_at = static_cast<std::uint64_t>(line.left_at);
            if (line.parent != static_cast<int>(last.line) || left_at < last.start ||
                left_at > last.end || chance(2))
                continue;
            last.end = left_at;
            ranges.push_back(
                {.line = static_cast<std::uint32_t>(index),
                 .start = left_at,
                 .end = std::min<std::uint64_t>(
                     left_at + static_cast<std::uint64_t>(number(0, longest)), kPlaces)});
        }
        return ranges;
    }
    [[nodiscard]] std::vector<LogBranch> branches_of(std::uint32_t line_number) const {
        std::vector<LogBranch> branches;
        const auto parts = way_to(static_cast<int>(line_number));
        for (std::size_t i = 1; i < parts.size(); ++i)
            branches.push_back({.line = static_cast<std::uint32_t>(parts[i].line),
                                .parent = static_cast<std::uint32_t>(parts[i - 1].line),
                                .at = static_cast<std::uint64_t>(parts[i].first)});
        return branches;
    }

    void add_backup(int index) {
        const bool is_full = chance(2) || index == 0;
        const auto ranges = some_ranges(is_full ? 4 : 14);
        auto entry = backup_entry(fmt::format("b{}", index),
                                  is_full ? BackupType::full : BackupType::incremental, ranges,
                                  times_of(ranges), branches_of(ranges.back().line));
        if (is_full) {
            const auto& last = ranges.back();
            const auto at = chance(2)
                                ? last.end
                                : static_cast<std::uint64_t>(number(static_cast<int>(last.start),
                                                                    static_cast<int>(last.end)));
            entry.manifest.log->facts.consistent = LogPoint{.line = last.line, .at = at};
            entry.manifest.log->facts.consistent_at =
                at_second(lines.at(static_cast<int>(last.line)).clock.at(at));
        }
        if (chance(10)) entry.state = CatalogEntry::State::damaged;
        catalog_.entries.push_back(std::move(entry));
    }
    void add_object() {
        const auto range = some_range(12);
        streamed_.spans.push_back(log_object(range, times_of({range})));
        for (const auto& branch : branches_of(range.line)) streamed_.branches.push_back(branch);
    }

    std::mt19937 random_;
    Catalog catalog_;
    StreamedLog streamed_;
};

}  // namespace asb
