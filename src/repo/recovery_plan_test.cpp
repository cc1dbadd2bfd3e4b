#include "repo/recovery_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "repo/log_history_fixture.hpp"

namespace asb {
namespace {

using testing::ElementsAre;
using Why = Unreachable::Why;

constexpr std::uint64_t kFar = ~std::uint64_t{0};

// "b0 10-20, b1 20-30, 1:30-40" for a plan; the spans of objects as line:start-end.
std::string told(const LogHistory& history, const Planned& planned) {
    if (std::holds_alternative<Unreachable>(planned)) return "unreachable";
    const auto& plan = std::get<RecoveryPlan>(planned);
    std::string text = history.backups[plan.base.backup] + ":";
    for (const auto& part : plan.spans) {
        const LogSpan& span = history.logs[plan.log].spans[part.span];
        const auto name = span.backup == LogSpan::kObject ? fmt::format("line{}", part.range.line)
                                                          : history.backups[span.backup];
        text += fmt::format(" {} {}-{}", name, part.range.start, part.range.end);
    }
    return text;
}

std::string to_time(const Kept& kept, std::int64_t second) {
    const auto history = kept.history();
    return told(history, plan_recovery(history, time_target(at_second(second))));
}
std::string to_point(const Kept& kept, LogPoint point) {
    const auto history = kept.history();
    return told(history, plan_recovery(history, position_target(point)));
}
RecoveryPlan plan_to_time(const Kept& kept, std::int64_t second) {
    return std::get<RecoveryPlan>(plan_recovery(kept.history(), time_target(at_second(second))));
}
Unreachable refusal(const Kept& kept, std::int64_t second) {
    return std::get<Unreachable>(plan_recovery(kept.history(), time_target(at_second(second))));
}

TEST(RecoveryPlan, TakesTheSpansUpToTheOneWithTheFirstLaterCommit) {
    EXPECT_EQ(to_time(one_chain(), 150), "full: full 0-100 first 100-200");
    EXPECT_EQ(to_time(one_chain(), 189), "full: full 0-100 first 100-200");
    EXPECT_EQ(to_time(one_chain(), 190), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(to_time(one_chain(), 250), "full: full 0-100 first 100-200 second 200-300");
}

TEST(RecoveryPlan, ReachesWhatLiesBetweenTheLastCommitAndTheEndOfCoverage) {
    EXPECT_EQ(to_time(one_chain(), 295), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(to_time(one_chain(), 300), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(to_time(one_chain(), 301), "unreachable");
}

TEST(RecoveryPlan, NamesWhatComesAfterAPositionUpToASpanThatSurelyHoldsACommit) {
    auto kept = one_chain();
    kept.object({1, 300, 310}, {.newest = -1, .covered = 310})
        .object({1, 310, 320}, {.newest = 315, .covered = 320})
        .object({1, 320, 330}, {.newest = 325, .covered = 330});
    const auto beyond = [&](std::uint64_t at) {
        const auto plan =
            std::get<RecoveryPlan>(plan_recovery(kept.history(), position_target({1, at})));
        std::vector<LogRange> ranges;
        for (const auto& span : plan.beyond) ranges.push_back(span.range);
        return ranges;
    };
    EXPECT_THAT(beyond(150), ElementsAre(LogRange{1, 200, 300}));
    EXPECT_THAT(beyond(300), ElementsAre(LogRange{1, 300, 310}, LogRange{1, 310, 320}));
    EXPECT_THAT(beyond(330), ElementsAre());
    EXPECT_TRUE(plan_to_time(kept, 150).beyond.empty());
}

TEST(RecoveryPlan, ReadsNoSpanAfterTheLastCommitThatProvesNothingMore) {
    auto kept = one_chain();
    for (std::uint64_t at = 300; at < 400; at += 10)
        kept.object({1, at, at + 10},
                    {.newest = -1, .covered = static_cast<std::int64_t>(at) + 10});
    EXPECT_EQ(to_time(kept, 305), "full: full 0-100 first 100-200 second 200-300 line1 300-310");
    EXPECT_EQ(plan_to_time(kept, 400).spans.size(), 13U);
    EXPECT_EQ(to_time(kept, 401), "unreachable");
}

TEST(RecoveryPlan, RefusesWhatIsBeforeTheFirstBackupIsConsistent) {
    const auto why = refusal(one_chain(), 99);
    EXPECT_EQ(why.why, Why::before_first);
    EXPECT_FALSE(why.before);
    EXPECT_EQ(why.after->time, at_second(100));
    EXPECT_EQ(to_time(one_chain(), 100), "full: full 0-100 first 100-200");
}

TEST(RecoveryPlan, RefusesWhatIsAfterTheEndAndSaysWhereThatIs) {
    const auto why = refusal(one_chain(), 301);
    EXPECT_EQ(why.why, Why::after_end);
    EXPECT_EQ(why.before->time, at_second(300));
    EXPECT_EQ(why.before->point, (LogPoint{1, 300}));
    EXPECT_FALSE(why.after);
}

TEST(RecoveryPlan, RefusesWhatIsInAGapAndNamesItAndBothSides) {
    Kept kept;
    kept.full("b0", {1, 0, 100}, 100)
        .incremental("b1", {{1, 100, 200}}, {.newest = 190, .covered = 200})
        .incremental("b3", {{1, 210, 300}}, {.newest = 290, .covered = 300})
        .full("b4", {1, 350, 400}, 400);
    const auto why = refusal(kept, 250);
    EXPECT_EQ(why.why, Why::gap);
    EXPECT_EQ(why.gap, (LogGap{{1, 200}, {1, 210}, {1, 300}, at_second(300)}));
    EXPECT_EQ(why.before->time, at_second(200));
    EXPECT_EQ(why.after->time, at_second(400));
}

// Nothing can be reached after the gap, and yet much is kept there.
TEST(RecoveryPlan, RefusesWhatLiesBehindAGapAndTellsItFromWhatIsLaterThanAllThatIsKept) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .incremental("second", {{1, 200, 300}}, {.newest = 290, .covered = 300})
        .incremental("fourth", {{1, 400, 500}}, {.newest = 490, .covered = 500});
    for (const std::int64_t second : {101, 150, 250, 300, 301, 450, 500}) {
        const auto why = refusal(kept, second);
        EXPECT_EQ(why.why, Why::gap) << second;
        EXPECT_EQ(why.gap, (LogGap{{1, 100}, {1, 200}, {1, 300}, at_second(300)}));
        EXPECT_EQ(why.before->time, at_second(100));
        EXPECT_FALSE(why.after);
    }
    EXPECT_EQ(refusal(kept, 501).why, Why::after_end);
    const auto why_not = [&](std::uint64_t at) {
        return std::get<Unreachable>(plan_recovery(kept.history(), position_target({1, at}))).why;
    };
    EXPECT_EQ(why_not(101), Why::gap);
    EXPECT_EQ(why_not(500), Why::gap);
    EXPECT_EQ(why_not(501), Why::after_end);
}

TEST(RecoveryPlan, GoesOnOverALostIncrementalThatObjectsCover) {
    auto kept = one_chain();
    kept.incremental("third", {{1, 400, 500}}, {.newest = 490, .covered = 500});
    EXPECT_EQ(to_time(kept, 450), "unreachable");
    kept.object({1, 280, 350}, {.newest = 340, .covered = 350})
        .object({1, 340, 420}, {.newest = 410, .covered = 420});
    EXPECT_EQ(to_time(kept, 450),
              "full: full 0-100 first 100-200 second 200-300 line1 300-350 line1 350-420 third "
              "420-500");
}

TEST(RecoveryPlan, LeavesADamagedBackupOut) {
    Kept kept;
    kept.full("b0", {1, 0, 100}, 100)
        .incremental("b1", {{1, 100, 200}}, {.newest = 190, .covered = 200})
        .damaged();
    EXPECT_EQ(to_time(kept, 150), "unreachable");
}

TEST(RecoveryPlan, TakesTheNewestBaseThatReachesAndElseAnOlderOne) {
    Kept kept;
    kept.full("old", {1, 0, 100}, 100)
        .incremental("all", {{1, 100, 400}}, {.newest = 390, .covered = 400})
        .full("new", {1, 150, 200}, 200);
    EXPECT_EQ(to_time(kept, 199), "old: old 0-100 all 100-400");
    EXPECT_EQ(to_time(kept, 200), "new: new 150-200 all 200-400");
    Kept broken;
    broken.full("old", {1, 0, 100}, 100)
        .object({1, 100, 190}, {.newest = 350, .covered = 360})
        .full("new", {1, 195, 200}, 200);
    EXPECT_EQ(to_time(broken, 300), "old: old 0-100 line1 100-190");
}

TEST(RecoveryPlan, TakesTheFewestOfOverlappingSpans) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100);
    for (std::uint64_t at = 90; at < 400; at += 10)
        kept.object({1, at, at + 15}, {.newest = static_cast<std::int64_t>(at) + 9,
                                       .covered = static_cast<std::int64_t>(at) + 14});
    kept.object({1, 95, 350}, {.newest = 349, .covered = 350});
    EXPECT_EQ(to_time(kept, 355), "full: full 0-100 line1 100-350 line1 350-365");
}

// A clock that was set back: 205 comes before 120 in the log.
TEST(RecoveryPlan, StopsBeforeTheFirstLaterCommitThoughEarlierTimesFollow) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .object({1, 100, 110}, {.newest = 110, .covered = 110})
        .object({1, 110, 120}, {.newest = 205, .covered = 110})
        .object({1, 120, 130}, {.newest = 120, .covered = 125});
    EXPECT_EQ(to_time(kept, 150), "full: full 0-100 line1 100-110 line1 110-120");
    EXPECT_EQ(to_time(kept, 204), "full: full 0-100 line1 100-110 line1 110-120");
    EXPECT_EQ(to_time(kept, 205), "unreachable");
}

// What a span says of a commit may be of one before the base is consistent: never taken for a stop.
TEST(RecoveryPlan, DoesNotTakeACommitOfBeforeTheBaseForTheStop) {
    Kept kept;
    kept.full("full", {1, 90, 100}, 100)
        .object({1, 80, 120}, {.newest = 300, .covered = 110})
        .object({1, 120, 140}, {.newest = 130, .covered = 140})
        .object({1, 140, 160}, {.newest = 310, .covered = 160});
    EXPECT_EQ(to_time(kept, 200), "full: full 90-100 line1 100-120 line1 120-140 line1 140-160");
    EXPECT_EQ(plan_to_time(kept, 200).search.from, (LogPoint{1, 100}));
}

TEST(RecoveryPlan, SearchesFromTheLastSpanWithACommitBeforeTheStop) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .object({1, 100, 110}, {.newest = 105, .covered = 110})
        .object({1, 108, 120}, {.newest = 119, .covered = 120})
        .object({1, 120, 130}, {.newest = -1, .covered = 130})
        .object({1, 130, 140}, {.newest = 139, .covered = 140});
    const auto plan = plan_to_time(kept, 125);
    EXPECT_EQ(plan.spans.size(), 5U);
    EXPECT_EQ(plan.search.first, 2U);
    EXPECT_EQ(plan.search.from, (LogPoint{1, 108}));  // the whole span, since that is where it is
    EXPECT_EQ(plan.search.until, (LogPoint{1, 140}));
}

TEST(RecoveryPlan, TakesLatestFromTheNewestBaseToTheEnd) {
    const auto history = one_chain().history();
    EXPECT_EQ(told(history, plan_recovery(history, LogTarget{})),
              "full: full 0-100 first 100-200 second 200-300");
    const auto plan = std::get<RecoveryPlan>(plan_recovery(history, LogTarget{}));
    EXPECT_EQ(plan.search.first, 2U);
}

TEST(RecoveryPlan, HasNoneWithoutABase) {
    Kept kept;
    kept.incremental("b1", {{1, 100, 200}}, {.newest = 190, .covered = 200});
    EXPECT_EQ(refusal(kept, 150).why, Why::no_base);
    EXPECT_EQ(std::get<Unreachable>(plan_recovery(kept.history(), LogTarget{})).why, Why::no_base);
    EXPECT_EQ(std::get<Unreachable>(plan_recovery(LogHistory(), LogTarget{})).why, Why::no_base);
}

TEST(RecoveryPlan, GoesToAPosition) {
    EXPECT_EQ(to_point(one_chain(), {0, 100}), "full: full 0-100");
    EXPECT_EQ(to_point(one_chain(), {0, 101}), "full: full 0-100 first 100-200");
    EXPECT_EQ(to_point(one_chain(), {1, 200}), "full: full 0-100 first 100-200");
    EXPECT_EQ(to_point(one_chain(), {1, 300}), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(to_point(one_chain(), {1, 301}), "unreachable");
    EXPECT_EQ(to_point(one_chain(), {1, 99}), "unreachable");
}

TEST(RecoveryPlan, LeavesTheEntryOfALimitOut) {
    const auto history = one_chain().history();
    auto target = position_target({0, 201});
    target.kind = LogTarget::Kind::limit;
    EXPECT_EQ(told(history, plan_recovery(history, target)), "full: full 0-100 first 100-200");
    target.position.at = 301;
    EXPECT_EQ(told(history, plan_recovery(history, target)),
              "full: full 0-100 first 100-200 second 200-300");
    target.position.at = 100;
    EXPECT_EQ(told(history, plan_recovery(history, target)), "unreachable");
}

TEST(RecoveryPlan, FollowsAPromotionToTheNewLine) {
    EXPECT_EQ(to_time(two_lines(), 350),
              "full: full 0-100 first 100-200 second 200-250 promoted 250-400");
    const auto plan = plan_to_time(two_lines(), 350);
    EXPECT_EQ(plan.end, (LogPoint{2, 400}));
    EXPECT_THAT(plan.branches, ElementsAre(LogBranch{2, 1, 250}));
    EXPECT_FALSE(plan.left_behind);
}

TEST(RecoveryPlan, TakesAPositionOnTheLineThatItNames) {
    EXPECT_EQ(to_point(two_lines(), {0, 280}),
              "full: full 0-100 first 100-200 second 200-250 promoted 250-400");
    EXPECT_EQ(to_point(two_lines(), {2, 280}), to_point(two_lines(), {0, 280}));
    EXPECT_EQ(to_point(two_lines(), {1, 280}), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(to_point(two_lines(), {2, 150}), "full: full 0-100 first 100-200");
    EXPECT_EQ(to_point(two_lines(), {1, 350}), "unreachable");
    const auto history = two_lines().history();
    EXPECT_EQ(std::get<Unreachable>(plan_recovery(history, position_target({3, 280}))).why,
              Why::unknown_line);
    const auto old = std::get<RecoveryPlan>(plan_recovery(history, position_target({1, 280})));
    EXPECT_EQ(old.left_behind, (LogBranch{2, 1, 250}));
}

TEST(RecoveryPlan, SaysOnWhichOtherLineAPositionWithoutALineIs) {
    auto kept = two_lines();
    kept.incremental("older", {{1, 300, 450}}, {.newest = 440, .covered = 450});
    const auto history = kept.history();
    const auto why = [&](LogPoint point) {
        return std::get<Unreachable>(plan_recovery(history, position_target(point)));
    };
    EXPECT_EQ(why({0, 420}).on_other_line, (LogPoint{1, 420}));
    EXPECT_FALSE(why({2, 420}).on_other_line);
    EXPECT_FALSE(why({0, 460}).on_other_line);
    EXPECT_EQ(to_point(kept, {1, 420}),
              "full: full 0-100 first 100-200 second 200-300 older 300-450");
}

TEST(RecoveryPlan, DoesNotTakeWhatALineHasAfterItWasLeft) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .incremental("old", {{1, 100, 300}}, {.newest = 290, .covered = 300})
        .incremental("new", {{2, 260, 400}}, {.newest = 390, .covered = 400}, {{2, 1, 250}});
    EXPECT_EQ(to_time(kept, 350), "unreachable");  // 250 to 260 of line 2 is nowhere
    EXPECT_EQ(to_time(kept, 280), "full: full 0-100 old 100-300");
    EXPECT_TRUE(plan_to_time(kept, 280).left_behind);
}

TEST(RecoveryPlan, KnowsNothingOfALineWhoseHistoriesContradictEachOther) {
    Kept kept = two_lines();
    kept.incremental("other", {{2, 400, 500}}, {.newest = 490, .covered = 500}, {{2, 1, 240}});
    EXPECT_EQ(to_time(kept, 350), "unreachable");
}

TEST(RecoveryPlan, KeepsLogsApart) {
    Kept kept = one_chain();
    kept.full("again", {1, 300, 400}, 400)
        .of_log("b", "7")
        .incremental("after", {{1, 400, 500}}, {.newest = 490, .covered = 500})
        .of_log("b", "7");
    EXPECT_EQ(to_time(kept, 250), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(to_time(kept, 350), "unreachable");
    EXPECT_EQ(refusal(kept, 350).why, Why::gap);
    EXPECT_EQ(to_time(kept, 450), "again: again 300-400 after 400-500");
    EXPECT_EQ(to_point(kept, {0, 250}), "full: full 0-100 first 100-200 second 200-300");
}

TEST(RecoveryPlan, TakesNoPositionOfAnotherDatabase) {
    Kept kept = one_chain();
    kept.full("other", {1, 300, 400}, 400).of_log("b", "8");
    EXPECT_EQ(to_point(kept, {0, 250}), "unreachable");
    EXPECT_EQ(to_point(kept, {0, 400}), "other: other 300-400");
}

TEST(RecoveryPlan, SearchesANameFromEachBaseTheNewestFirst) {
    Kept kept = one_chain();
    kept.full("newer", {1, 220, 250}, 250);
    const auto history = kept.history();
    const auto target = name_target("release");
    const auto first = std::get<RecoveryPlan>(plan_recovery(history, target));
    EXPECT_EQ(told(history, first), "newer: newer 220-250 second 250-300");
    EXPECT_EQ(first.search.from, (LogPoint{1, 250}));
    EXPECT_EQ(first.search.until, (LogPoint{1, 300}));
    const auto second = std::get<RecoveryPlan>(plan_name(history, target, 1));
    EXPECT_EQ(told(history, second), "full: full 0-100 first 100-200 second 200-300");
    EXPECT_EQ(second.search.from, (LogPoint{1, 100}));
    EXPECT_EQ(second.search.until, (LogPoint{1, 250}));
    EXPECT_EQ(std::get<Unreachable>(plan_name(history, target, 2)).why, Why::no_name);
}

TEST(RecoveryPlan, CountsTo64Bits) {
    Kept kept;
    kept.full("full", {1, kFar - 100, kFar - 90}, 100)
        .object({1, kFar - 90, kFar - 1}, {.newest = 150, .covered = 160})
        .object({1, kFar - 1, kFar}, {.newest = 170, .covered = 180});
    EXPECT_EQ(plan_to_time(kept, 165).end.at, kFar);
    EXPECT_EQ(plan_to_time(kept, 175).spans.size(), 3U);
    EXPECT_EQ(to_point(kept, {0, kFar - 90}),
              fmt::format("full: full {}-{}", kFar - 100, kFar - 90));
    EXPECT_EQ(std::get<RecoveryPlan>(plan_recovery(kept.history(), position_target({0, kFar})))
                  .spans.size(),
              3U);
}

// The figure of the product: 10,000 backups and 1,000,000 objects. What it takes is printed, and
// measured whole (listing and memory too) by ./dev bench.
TEST(RecoveryPlan, PlansOverAMillionObjects) {
    constexpr std::uint64_t kObjects = 1'000'000;
    constexpr std::uint64_t kBackups = 10'000;
    Kept kept;
    for (std::uint64_t i = 0; i < kBackups; ++i) {
        const auto at = i * kObjects / kBackups;
        kept.full(fmt::format("b{:05}", i).c_str(), {1, at, at + 1},
                  static_cast<std::int64_t>(at) + 1);
    }
    // In no order, as a folder gives them.
    for (std::uint64_t i = 0; i < kObjects; ++i) {
        const auto at = i * 7919 % kObjects;
        kept.object({1, at, at + 1}, {.newest = static_cast<std::int64_t>(at),
                                      .covered = static_cast<std::int64_t>(at) + 1});
    }
    const auto begun = std::chrono::steady_clock::now();
    const auto history = kept.history();
    const auto plan = plan_recovery(history, time_target(at_second(999'950)));
    const auto windows = restorable_windows(history.logs.front());
    const auto refused = plan_recovery(history, time_target(at_second(2'000'000)));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    std::printf("history, a plan, all windows and a refusal: %d ms\n",
                static_cast<int>(took.count()));
    EXPECT_EQ(std::get<RecoveryPlan>(plan).spans.size(), 52U);  // a base, and 999,901 to 999,951
    EXPECT_EQ(windows.windows.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<Unreachable>(refused));
}

}  // namespace
}  // namespace asb
