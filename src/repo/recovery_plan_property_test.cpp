// Thousands of random histories, of which everything is known: each commit, its place and its time.
// Whether an instant or a position can be reached is decided here by walking unit by unit, and the
// planner must agree exactly.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "repo/random_history.hpp"

namespace asb {
namespace {

// What can be reached, found out without the planner's means.
class Truth {
  public:
    Truth(const World& world, const DatabaseLog& log) : world_(world), log_(log) {}

    struct Answer {
        int line = 0;
        const LogBase* base = nullptr;
        int cover_end = 0;
    };

    [[nodiscard]] std::set<int, std::greater<>> lines() const {
        std::set<int, std::greater<>> lines;
        for (const auto& span : log_.spans) lines.insert(static_cast<int>(span.line));
        for (const auto& base : log_.bases) lines.insert(static_cast<int>(base.consistent.line));
        return lines;
    }

    [[nodiscard]] std::optional<Answer> by_time(int time) const {
        for (const int line : lines())
            for (const auto* base : bases_on(line))
                if (base->consistent_at <= at_second(time) && at_second(time) <= reach(line, *base))
                    return Answer{line, base, cover_end(line, *base)};
        return std::nullopt;
    }
    [[nodiscard]] std::optional<Answer> by_position(int line, int place) const {
        for (const auto* base : bases_on(line))
            if (static_cast<int>(base->consistent.at) <= place && place <= cover_end(line, *base))
                return Answer{line, base, cover_end(line, *base)};
        return std::nullopt;
    }

    // The time of the commit at `place` on the way; -1: none.
    [[nodiscard]] int commit_at(int line, int place) const {
        for (const auto& part : world_.way_to(line))
            if (place >= part.first && place < part.last)
                return world_.lines.at(part.line).commit.at(static_cast<std::size_t>(place));
        return -1;
    }

  private:
    // Bases on the way to `line`, the newest first.
    [[nodiscard]] std::vector<const LogBase*> bases_on(int line) const {
        std::vector<const LogBase*> bases;
        for (const auto& base : log_.bases)
            for (const auto& part : world_.way_to(line))
                if (part.line == static_cast<int>(base.consistent.line) &&
                    part.first <= static_cast<int>(base.consistent.at) &&
                    static_cast<int>(base.consistent.at) <= part.last)
                    bases.push_back(&base);
        std::stable_sort(bases.begin(), bases.end(), [](const LogBase* a, const LogBase* b) {
            return a->consistent.at < b->consistent.at;
        });
        std::reverse(bases.begin(), bases.end());
        return bases;
    }
    [[nodiscard]] bool is_covered(int line, int place) const {
        for (const auto& part : world_.way_to(line)) {
            if (place < part.first || place >= part.last) continue;
            for (const auto& span : log_.spans)
                if (static_cast<int>(span.line) == part.line &&
                    static_cast<int>(span.start) <= place && place < static_cast<int>(span.end))
                    return true;
        }
        return false;
    }
    [[nodiscard]] int cover_end(int line, const LogBase& base) const {
        int place = static_cast<int>(base.consistent.at);
        while (place < kPlaces && is_covered(line, place)) ++place;
        return place;
    }
    // The last instant of which it is known that it is covered.
    [[nodiscard]] CommitTime reach(int line, const LogBase& base) const {
        CommitTime known = base.consistent_at;
        const int first = static_cast<int>(base.consistent.at);
        const int end = cover_end(line, base);
        for (const auto& part : world_.way_to(line))
            for (const auto& span : log_.spans) {
                const int start = static_cast<int>(span.start);
                const int last = static_cast<int>(span.end);
                if (static_cast<int>(span.line) != part.line || last > part.last || last < first ||
                    last < part.first || std::max(start, part.first) > end)
                    continue;
                known = std::max(known, span.covered_until);
                if (span.shares_times || start < part.first) continue;
                for (int place = std::max(start, first); start >= first && place < last; ++place)
                    if (const int commit = commit_at(line, place); commit >= 0)
                        known = std::max(known, at_second(commit) - std::chrono::microseconds(1));
            }
        return known;
    }

    const World& world_;
    const DatabaseLog& log_;
};

// Everything that a plan promises, besides being there.
class PlanCheck {
  public:
    PlanCheck(const World& world, const DatabaseLog& log, const Truth& truth,
              const Truth::Answer& answer, const RecoveryPlan& plan)
        : world_(world), log_(log), truth_(truth), answer_(answer), plan_(plan) {}

    void of_spans() const {
        EXPECT_EQ(plan_.base.backup, answer_.base->backup);
        int at = static_cast<int>(plan_.base.consistent.at);
        for (std::size_t i = 0; i < plan_.spans.size(); ++i) {
            const auto& planned = plan_.spans[i];
            const LogSpan& span = log_.spans[planned.span];
            EXPECT_EQ(span.line, planned.range.line);
            EXPECT_LE(span.start, planned.range.start);
            EXPECT_GE(span.end, planned.range.end);
            EXPECT_TRUE(is_on_way(planned.range));
            if (span.backup == plan_.base.backup) {
                at = std::max(at, static_cast<int>(planned.range.end));
                continue;
            }
            EXPECT_EQ(static_cast<int>(planned.range.start), at);
            EXPECT_GT(static_cast<int>(planned.range.end), at);
            at = static_cast<int>(planned.range.end);
            if (i > 0 && i + 1 < plan_.spans.size() &&
                log_.spans[plan_.spans[i - 1].span].backup != plan_.base.backup) {
                // Without this one there would be a gap.
                EXPECT_LT(plan_.spans[i - 1].range.end, start_on_way(plan_.spans[i + 1]));
            }
        }
        EXPECT_EQ(static_cast<int>(plan_.end.at), at);
    }

    // The stop that a search finds in the plan is the true one, and the last commit before it is
    // named.
    void of_time(int time) const {
        const int from = static_cast<int>(plan_.base.consistent.at);
        const int true_stop = first_later(from, answer_.cover_end, time);
        const int planned_end = static_cast<int>(plan_.end.at);
        if (true_stop < answer_.cover_end) {
            EXPECT_LT(true_stop, planned_end);
        }
        const int needed = std::min(true_stop, answer_.cover_end);
        EXPECT_EQ(commits_between(planned_end, needed), 0) << "commits that the plan leaves out";
        const int begin = static_cast<int>(plan_.search.from.at);
        EXPECT_LE(begin, std::max(from, std::min(true_stop, planned_end)));
        const int found = first_later(begin, planned_end, time);
        EXPECT_EQ(std::min(found, planned_end), std::min(true_stop, planned_end));
        of_last_in(std::min(true_stop, planned_end));
        of_search_span();
    }
    void of_position(int place) const {
        EXPECT_GE(static_cast<int>(plan_.end.at), place);
        EXPECT_LE(static_cast<int>(plan_.search.from.at),
                  std::max(place, static_cast<int>(plan_.base.consistent.at)));
        of_last_in(place);
        of_search_span();
    }

    void of_left_behind() const {
        const auto way = world_.way_to(answer_.line);
        const auto newest = world_.way_to(*truth_.lines().begin());
        int common = 0;
        for (std::size_t i = 0; i < std::min(way.size(), newest.size()); ++i)
            if (way[i].line == newest[i].line) common = std::min(way[i].last, newest[i].last);
        EXPECT_EQ(plan_.left_behind.has_value(), static_cast<int>(plan_.end.at) > common);
        if (plan_.left_behind) {
            EXPECT_EQ(static_cast<int>(plan_.left_behind->at), common);
        }
    }

  private:
    [[nodiscard]] bool is_on_way(const LogRange& range) const {
        for (const auto& part : world_.way_to(answer_.line))
            if (part.line == static_cast<int>(range.line))
                return part.first <= static_cast<int>(range.start) &&
                       static_cast<int>(range.end) <= part.last;
        return false;
    }
    [[nodiscard]] std::uint64_t start_on_way(const PlannedSpan& planned) const {
        const LogSpan& span = log_.spans[planned.span];
        const auto left_at = world_.lines.at(static_cast<int>(span.line)).left_at;
        return std::max(span.start, static_cast<std::uint64_t>(left_at));
    }
    [[nodiscard]] int first_later(int from, int end, int time) const {
        while (from < end && truth_.commit_at(answer_.line, from) <= time) ++from;
        return from;
    }
    [[nodiscard]] int commits_between(int from, int end) const {
        int count = 0;
        for (; from < end; ++from) count += truth_.commit_at(answer_.line, from) >= 0 ? 1 : 0;
        return count;
    }
    // Where one span of the plan surely holds an earlier commit, the search begins before that.
    void of_last_in(int stop) const {
        const int begin = static_cast<int>(plan_.search.from.at);
        if (commits_between(begin, stop) > 0) return;
        for (const auto& planned : plan_.spans) {
            const LogSpan& span = log_.spans[planned.span];
            const bool is_whole = planned.range == span.range() && !span.shares_times;
            const bool is_after = planned.range.start >= plan_.base.consistent.at;
            if (is_whole && is_after && static_cast<int>(planned.range.end) <= stop) {
                EXPECT_FALSE(span.has_commits() && static_cast<int>(planned.range.start) < begin &&
                             plan_.search.first > 0)
                    << "the last transaction in is not found";
            }
        }
    }
    // The search begins within the span that it says.
    void of_search_span() const {
        if (plan_.spans.empty()) return;
        ASSERT_LT(plan_.search.first, plan_.spans.size());
        const LogSpan& span = log_.spans[plan_.spans[plan_.search.first].span];
        EXPECT_LE(span.start, plan_.search.from.at);
        EXPECT_GE(span.end, plan_.search.from.at);
    }

    const World& world_;
    const DatabaseLog& log_;
    const Truth& truth_;
    const Truth::Answer& answer_;
    const RecoveryPlan& plan_;
};

std::vector<bool> check_times(const World& world, const DatabaseLog& log, const Truth& truth) {
    std::vector<bool> reachable;
    for (int time = 0; time <= kTimes; ++time) {
        const auto planned = plan_recovery(world.history, time_target(at_second(time)));
        const auto* plan = std::get_if<RecoveryPlan>(&planned);
        const auto answer = truth.by_time(time);
        EXPECT_EQ(plan != nullptr, answer.has_value()) << "time " << time;
        reachable.push_back(answer.has_value());
        if (plan == nullptr || !answer) continue;
        const PlanCheck check(world, log, truth, *answer, *plan);
        check.of_spans();
        check.of_time(time);
        check.of_left_behind();
    }
    return reachable;
}

// The nearest instants that are offered can be reached, and there is none nearer.
void check_refusals(const World& world, const std::vector<bool>& reachable) {
    for (int time = 0; time <= kTimes; ++time) {
        const auto at = static_cast<std::size_t>(time);
        if (reachable[at]) continue;
        const auto planned = plan_recovery(world.history, time_target(at_second(time)));
        const auto* refusal = std::get_if<Unreachable>(&planned);
        ASSERT_NE(refusal, nullptr);
        int before = time;
        while (before >= 0 && !reachable[static_cast<std::size_t>(before)]) --before;
        int after = time;
        while (after <= kTimes && !reachable[static_cast<std::size_t>(after)]) ++after;
        if (before >= 0) {
            ASSERT_TRUE(refusal->before);
            EXPECT_EQ(std::chrono::floor<std::chrono::seconds>(refusal->before->time),
                      at_second(before));
        }
        if (after <= kTimes) {
            ASSERT_TRUE(refusal->after);
            EXPECT_EQ(std::chrono::ceil<std::chrono::seconds>(refusal->after->time),
                      at_second(after));
        }
        for (const auto& instant : {refusal->before, refusal->after})
            if (instant) {
                const auto again = plan_recovery(world.history, time_target(instant->time));
                EXPECT_TRUE(std::holds_alternative<RecoveryPlan>(again));
            }
    }
}

void check_positions(const World& world, const DatabaseLog& log, const Truth& truth) {
    for (const int line : truth.lines())
        for (int place = 0; place <= kPlaces; ++place) {
            const LogPoint point{.line = static_cast<std::uint32_t>(line),
                                 .at = static_cast<std::uint64_t>(place)};
            const auto planned = plan_recovery(world.history, position_target(point));
            const auto* plan = std::get_if<RecoveryPlan>(&planned);
            const auto answer = truth.by_position(line, place);
            ASSERT_EQ(plan != nullptr, answer.has_value()) << "line " << line << " at " << place;
            if (plan == nullptr) continue;
            const PlanCheck check(world, log, truth, *answer, *plan);
            check.of_spans();
            check.of_position(place);
        }
}

class RandomHistories : public testing::TestWithParam<unsigned> {};

TEST_P(RandomHistories, AreReachableExactlyWhereTheyAre) {
#if defined(ASB_SANITIZED)
    constexpr unsigned kWorlds = 50;  // more of them run no further line
#else
    constexpr unsigned kWorlds = 1000;
#endif
    for (unsigned seed = GetParam() * kWorlds; seed < (GetParam() + 1) * kWorlds; ++seed) {
        SCOPED_TRACE(seed);
        const World world(seed);
        if (world.history.logs.empty()) continue;
        ASSERT_EQ(world.history.logs.size(), 1U);
        const DatabaseLog& log = world.history.logs.front();
        const Truth truth(world, log);
        const auto reachable = check_times(world, log, truth);
        check_refusals(world, reachable);
        check_positions(world, log, truth);
        ASSERT_FALSE(HasFailure()) << "world " << seed;
    }
}

INSTANTIATE_TEST_SUITE_P(TenThousand, RandomHistories, testing::Range(0U, 10U));

}  // namespace
}  // namespace asb
