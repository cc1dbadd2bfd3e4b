#include "repo/log_windows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repo/log_history_fixture.hpp"

namespace asb {
namespace {

using testing::ElementsAre;

TEST(LogWindows, RunOnOverLaterFullBackups) {
    Kept kept = one_chain();
    kept.full("newer", {1, 220, 250}, 250);
    const auto history = kept.history();
    const auto found = restorable_windows(history.logs.front());
    EXPECT_THAT(found.windows, ElementsAre(LogWindow{.base = 0,
                                                     .from = {1, 100},
                                                     .to = {1, 300},
                                                     .from_time = at_second(100),
                                                     .to_time = at_second(300),
                                                     .last_commit = at_second(290)}));
    EXPECT_TRUE(found.gaps.empty());
}

TEST(LogWindows, EndAtAGapAndBeginAgainAtTheNextBase) {
    Kept kept;
    kept.object({1, 10, 20}, {.newest = 15, .covered = 20})  // before any base: no gap
        .full("b0", {1, 50, 100}, 100)
        .incremental("b1", {{1, 100, 200}}, {.newest = 190, .covered = 200})
        .incremental("b3", {{1, 210, 300}}, {.newest = 290, .covered = 300})
        .full("b4", {1, 300, 310}, 310)
        .object({1, 320, 400}, {.newest = 390, .covered = 400});
    const auto history = kept.history();
    const auto found = restorable_windows(history.logs.front());
    ASSERT_EQ(found.windows.size(), 2U);
    EXPECT_EQ(found.windows[0].to_time, at_second(200));
    EXPECT_EQ(found.windows[1].from_time, at_second(310));
    EXPECT_EQ(found.windows[1].to_time, at_second(310));
    EXPECT_THAT(found.gaps, ElementsAre(LogGap{{1, 200}, {1, 210}, {1, 310}, at_second(310)},
                                        LogGap{{1, 310}, {1, 320}, {1, 400}, at_second(400)}));
}

TEST(LogWindows, ShowWhatOnlyAnOlderLineHas) {
    const auto history = two_lines().history();
    const auto found = restorable_windows(history.logs.front());
    ASSERT_EQ(found.windows.size(), 2U);
    EXPECT_EQ(found.windows[0].to, (LogPoint{2, 400}));
    EXPECT_FALSE(found.windows[0].left_behind);
    EXPECT_EQ(found.windows[1].to, (LogPoint{1, 300}));
    EXPECT_EQ(found.windows[1].left_behind, (LogBranch{2, 1, 250}));
}

// Line 2 has a gap where it begins, so that its way ends where it left line 1; line 1 goes on.
TEST(LogWindows, TellOnceWhatANewerLineSharesWithAnOlderOne) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .incremental("old", {{1, 100, 300}}, {.newest = 290, .covered = 300})
        .incremental("new", {{2, 260, 400}}, {.newest = 390, .covered = 400}, {{2, 1, 250}})
        .full("again", {2, 400, 410}, 410);
    const auto history = kept.history();
    const auto found = restorable_windows(history.logs.front());
    ASSERT_EQ(found.windows.size(), 2U);
    EXPECT_EQ(found.windows[0].from, (LogPoint{2, 410}));
    EXPECT_EQ(found.windows[1].from, (LogPoint{1, 100}));
    EXPECT_EQ(found.windows[1].to, (LogPoint{1, 300}));
    EXPECT_THAT(found.gaps, ElementsAre(LogGap{{1, 250}, {2, 260}, {2, 410}, at_second(410)}));
}

}  // namespace
}  // namespace asb
