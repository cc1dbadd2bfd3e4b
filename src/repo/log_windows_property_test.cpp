// Thousands of random histories: what is listed as restorable is exactly what the planner reaches,
// and nothing of it is listed twice.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "repo/random_history.hpp"

namespace asb {
namespace {

bool is_reached(const World& world, const LogTarget& target) {
    return std::holds_alternative<RecoveryPlan>(plan_recovery(world.history, target));
}

bool reaches(const World& world, int line, int place) {
    return is_reached(world, position_target({.line = static_cast<std::uint32_t>(line),
                                              .at = static_cast<std::uint64_t>(place)}));
}

int line_of(const LogWindow& window) {
    return static_cast<int>(window.to.line);
}

// Up to where the ways to two lines are the same; -1: nowhere.
int shared_until(const World& world, int a, int b) {
    const auto one = world.way_to(a);
    const auto other = world.way_to(b);
    int shared = -1;
    for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i)
        if (one[i].line == other[i].line) shared = std::min(one[i].last, other[i].last);
    return shared;
}

// Where a line begins, a base may be of the older one or of the newer one: then only that one's way
// goes over it.
bool goes_over(const World& world, int line, const LogPoint& base) {
    return std::ranges::any_of(world.way_to(line), [&](const World::Part& part) {
        return part.line == static_cast<int>(base.line);
    });
}

bool holds(const World& world, const LogWindow& window, int line, int place) {
    const auto at = static_cast<std::uint64_t>(place);
    return window.from.at <= at && at <= window.to.at && goes_over(world, line, window.from) &&
           place <= shared_until(world, line, line_of(window));
}

bool is_part_of(const World& world, const LogWindow& inner, const LogWindow& outer) {
    return holds(world, outer, line_of(inner), static_cast<int>(inner.from.at)) &&
           holds(world, outer, line_of(inner), static_cast<int>(inner.to.at)) &&
           outer.from_time <= inner.from_time && inner.to_time <= outer.to_time;
}

void check_window(const World& world, const LogWindow& window) {
    EXPECT_TRUE(is_reached(world, time_target(window.from_time)));
    EXPECT_TRUE(is_reached(world, time_target(window.to_time)));
    for (int time = 0; time <= kTimes; ++time) {
        if (at_second(time) < window.from_time || window.to_time < at_second(time)) continue;
        EXPECT_TRUE(is_reached(world, time_target(at_second(time)))) << "time " << time;
    }
    for (auto at = window.from.at; at <= window.to.at; ++at)
        EXPECT_TRUE(reaches(world, line_of(window), static_cast<int>(at))) << "place " << at;
}

void check_nothing_is_missing(const World& world, const DatabaseLog& log,
                              const std::vector<LogWindow>& windows) {
    for (int time = 0; time <= kTimes; ++time)
        EXPECT_EQ(is_reached(world, time_target(at_second(time))),
                  std::ranges::any_of(windows,
                                      [&](const LogWindow& window) {
                                          return window.from_time <= at_second(time) &&
                                                 at_second(time) <= window.to_time;
                                      }))
            << "time " << time;
    for (const auto line : lines_of(log))
        for (int place = 0; place <= kPlaces; ++place)
            EXPECT_EQ(reaches(world, static_cast<int>(line), place),
                      std::ranges::any_of(windows,
                                          [&](const LogWindow& window) {
                                              return holds(world, window, static_cast<int>(line),
                                                           place);
                                          }))
                << "line " << line << " place " << place;
}

void check_nothing_is_told_twice(const World& world, const std::vector<LogWindow>& windows) {
    for (const auto& one : windows)
        for (const auto& other : windows)
            EXPECT_FALSE(&one != &other && is_part_of(world, one, other))
                << one.from.at << " to " << one.to.at << " on " << one.to.line << ", part of "
                << other.from.at << " to " << other.to.at << " on " << other.to.line;
}

// A window that names where its line was left reaches further than there, any other does not.
void check_what_is_left_behind(const World& world, int newest, const LogWindow& window) {
    const int shared = shared_until(world, newest, line_of(window));
    EXPECT_EQ(window.left_behind.has_value(), static_cast<int>(window.to.at) > shared);
    if (!window.left_behind) return;
    EXPECT_EQ(static_cast<int>(window.left_behind->at), shared);
}

class RandomWindows : public testing::TestWithParam<unsigned> {};

TEST_P(RandomWindows, AreExactlyWhatIsReached) {
#if defined(ASB_SANITIZED)
    constexpr unsigned kWorlds = 20;  // more of them run no further line
#else
    constexpr unsigned kWorlds = 500;
#endif
    for (unsigned seed = GetParam() * kWorlds; seed < (GetParam() + 1) * kWorlds; ++seed) {
        SCOPED_TRACE(seed);
        const World world(seed);
        if (world.history.logs.empty()) continue;
        const DatabaseLog& log = world.history.logs.front();
        const auto windows = restorable_windows(log).windows;
        for (const auto& window : windows) {
            check_window(world, window);
            check_what_is_left_behind(world, static_cast<int>(lines_of(log).front()), window);
        }
        check_nothing_is_missing(world, log, windows);
        check_nothing_is_told_twice(world, windows);
        ASSERT_FALSE(HasFailure()) << "world " << seed;
    }
}

INSTANTIATE_TEST_SUITE_P(FiveThousand, RandomWindows, testing::Range(0U, 10U));

}  // namespace
}  // namespace asb
