#include "repo/retention_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "repo/recovery_plan.hpp"
#include "repo/retention_fixture.hpp"

namespace asb {
namespace {

using std::chrono::hours;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(RetainedLogs, KeepsTheBaseAndTheLogOfTheOldestInstantPromised) {
    const auto repository =
        Repository().full(0).object(0, 7).full(7).object(7, 10).object(10, 14).full(14).object(14,
                                                                                               20);
    // On day 20, ten days: day 10 is reached from the backup of day 7.
    EXPECT_THAT(repository.told(only_days(10), 20),
                ElementsAre("0101 remove: older than 10 days",
                            "0108 keep: instants within the last 10 days are reached from it",
                            "0115 keep: the last good full backup"));
}

TEST(RetainedLogs, LetsTheLogBeforeTheOldestBaseGo) {
    const auto repository =
        Repository().full(0).object(0, 3).object(3, 6).full(7).object(6, 8).object(8, 20);
    const auto plan = repository.plan(only_days(10), 20);
    ASSERT_EQ(plan.objects.size(), 1U);
    const auto history = make_log_history(repository.catalog, repository.streamed);
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < plan.objects.front().spans.size(); ++i)
        keys.push_back(key_of(history, plan.objects.front(), i).text());
    EXPECT_THAT(keys, ElementsAre(HasSubstr("/20240107/00000001-000000000000283C-"),
                                  HasSubstr("/20240104/00000001-0000000000002710-")));
    EXPECT_EQ(plan.objects.front().reason,
              "no instant within the last 10 days needs it, and nothing else that stays");
    EXPECT_FALSE(plan.objects.front().is_whole_log);
}

// A full backup that takes its time while incremental ones go on: what crosses it is needed for its
// log only, and must not hold the whole chain before it, and the one before that.
TEST(RetainedLogs, AnIncrementalBackupAcrossAFullOneDoesNotHoldTheChainBefore) {
    Repository repository;
    for (int day = 0; day < 40; ++day) {
        if (day % 4 == 0) repository.full(day);
        repository.incremental(day, day + 1);
        auto& ranges = repository.catalog.entries.back().manifest.log->facts.ranges;
        ranges = {{1, place(day) - 50, place(day) + 50}};
    }
    const auto removed = repository.removed(only_days(10), 40);
    // Day 30 is reached from the backup of day 28; the incremental one of day 28 crosses it.
    EXPECT_EQ(removed.size(), 7U + 28U)
        << testing::PrintToString(repository.told(only_days(10), 40));
}

// What a recovery to that day would do, before and after the plan is carried out.
void expect_same_way(const Repository& before, const RetentionPlan& plan, int day) {
    Repository after;
    for (std::size_t i = 0; i < plan.backups.size(); ++i)
        if (plan.backups[i].keep) after.catalog.entries.push_back(before.catalog.entries[i]);
    after.streamed = before.streamed;
    const auto history = make_log_history(before.catalog, before.streamed);
    for (const auto& removed : plan.objects)
        for (const auto index : removed.spans)
            std::erase_if(after.streamed[history.logs[removed.log].id].spans,
                          [&](const auto& span) {
                              return span.range() == history.logs[removed.log].spans[index].range();
                          });
    const auto left = make_log_history(after.catalog, after.streamed);
    const auto target = time_target(at_second(second_of(day)));
    const auto was = plan_recovery(history, target);
    const auto is = plan_recovery(left, target);
    ASSERT_TRUE(std::holds_alternative<RecoveryPlan>(was));
    ASSERT_TRUE(std::holds_alternative<RecoveryPlan>(is));
    const auto& old = std::get<RecoveryPlan>(was);
    const auto& now = std::get<RecoveryPlan>(is);
    EXPECT_EQ(left.logs[now.log].id, history.logs[old.log].id);
    EXPECT_EQ(now.end, old.end);
    EXPECT_EQ(now.left_behind.has_value(), old.left_behind.has_value());
}

TEST(RetainedLogs, TheNewerOfTwoLogsStaysTheNewerOne) {
    Repository repository;
    const auto of_log = [&](const char* id) {
        repository.catalog.entries.back().manifest.log->facts.log_id = id;
    };
    repository.full(0).object(0, 30).full(1);
    of_log("b");
    repository.streamed["b"] = repository.streamed["a"];
    repository.incremental(60, 2, name_of(0));  // behind a gap: it makes "a" the newer log
    repository.catalog.entries.back().manifest.log->facts.ranges = {{1, place(60), place(61)}};
    repository.object(70, 71);
    repository.incremental(3, 4, name_of(0)).full(5);
    of_log("c");
    repository.catalog.entries[3].manifest.log->facts.log_id = "c";
    const auto plan = repository.plan(only_days(10), 30);
    EXPECT_EQ(to_text(plan.backups[2]), "keep: the newest backup of log a");
    expect_same_way(repository, plan, 25);
}

TEST(RetainedLogs, ALineOfWhichOnlyAGapIsLeftStaysTheNewestLine) {
    Repository repository;
    repository.full(0).object(0, 20).object(20, 30);
    auto& log = repository.streamed["a"];
    log.branches = {{.line = 2, .parent = 1, .at = place(20)}};
    auto promoted = log_object({2, place(22), place(23)}, {.newest = -1, .covered = second_of(1)});
    promoted.day = 20240102;
    log.spans.push_back(promoted);
    repository.full(2);  // so that the other log's end is not what streams go on from
    repository.catalog.entries.back().manifest.log->facts.log_id = "b";
    const auto plan = repository.plan(only_days(12), 30);
    EXPECT_THAT(plan.objects, IsEmpty());
    expect_same_way(repository, plan, 20);
}

TEST(RetainedLogs, WhoAloneSaysWhereALineComesFromStays) {
    Repository repository;
    repository.full(0).object(0, 20);
    auto& log = repository.streamed["a"];
    auto promoted = log_object({2, place(20), place(30)}, {.newest = -1, .covered = second_of(30)});
    promoted.day = 20240131;
    log.spans.push_back(promoted);
    repository.incremental(60, 2);  // behind a gap
    repository.catalog.entries.back().manifest.log->facts.branches = {
        {.line = 2, .parent = 1, .at = place(20)}};
    repository.incremental(70, 3).incremental(80, 4, name_of(3));
    const auto plan = repository.plan(only_days(12), 30);
    EXPECT_EQ(to_text(plan.backups[1]), "keep: it says last where line 2 comes from");
    expect_same_way(repository, plan, 25);
}

TEST(RetainedLogs, TheLogAfterTheLastFullBackupStaysHoweverOld) {
    const auto repository = Repository().full(0).object(0, 2).full(3).object(3, 5).object(6, 7);
    const auto plan = repository.plan(only_days(5), 500);
    EXPECT_EQ(plan.removal_order.size(), 1U);
    ASSERT_EQ(plan.objects.size(), 1U);
    EXPECT_EQ(plan.objects.front().spans.size(), 1U);
    expect_same_way(repository, plan, 4);
}

TEST(RetainedLogs, SaysWhenNothingOfALogStays) {
    Repository repository;
    repository.object(0, 3).full(50);
    repository.catalog.entries.back().manifest.log->facts.log_id = "b";
    const auto plan = repository.plan(only_days(5), 51);
    ASSERT_EQ(plan.objects.size(), 1U);
    EXPECT_TRUE(plan.objects.front().is_whole_log);
}

// Of an earlier run that was cut off, or of one in which the last backup still had a right to stay.
TEST(RetainedLogs, ALogOfWhichOnlyItsRecordIsLeftGoesAsAWhole) {
    Repository repository;
    repository.full(50);
    repository.streamed["b"];
    const auto plan = repository.plan(only_days(5), 51);
    ASSERT_EQ(plan.objects.size(), 1U);
    EXPECT_TRUE(plan.objects.front().is_whole_log);
    EXPECT_THAT(plan.objects.front().spans, IsEmpty());
    EXPECT_TRUE(repository.plan({}, 51).removes_nothing());
}

TEST(RetainedLogs, ALogWithoutObjectsGoesWithItsLastBackup) {
    Repository repository;
    repository.full(0);
    repository.streamed["a"];
    repository.full(50);
    repository.catalog.entries.back().manifest.log->facts.log_id = "b";
    EXPECT_TRUE(repository.plan(only_days(60), 51).removes_nothing());
    const auto plan = repository.plan(only_days(5), 51);
    EXPECT_EQ(plan.removal_order.size(), 1U);
    ASSERT_EQ(plan.objects.size(), 1U);
    EXPECT_TRUE(plan.objects.front().is_whole_log);
}

// `sync --repair` may bring it back, and then it needs its log's key.
TEST(RetainedLogs, ADamagedBackupKeepsTheRecordOfItsLogOrOfAnyThatMayBeIt) {
    const auto whole_logs = [](bool is_readable, const char* id) {
        Repository repository;
        repository.full(0).full(50).damaged();
        auto& manifest = repository.catalog.entries.back().manifest;
        if (is_readable)
            manifest.log->facts.log_id = id;
        else
            manifest = {};
        repository.streamed["b"];
        return repository.plan(only_days(5), 51).objects.size();
    };
    EXPECT_EQ(whole_logs(true, "b"), 0U);
    EXPECT_EQ(whole_logs(false, ""), 0U);
    EXPECT_EQ(whole_logs(true, "c"), 1U);
}

TEST(RetainedLogs, LogOfTheLastDayStaysForTheBackupThatIsBeingMade) {
    Repository repository;
    repository.object(0, 3);
    RetentionPolicy policy;
    policy.database.last = 1;
    EXPECT_TRUE(repository.plan(policy, 3).removes_nothing());
    EXPECT_EQ(repository.plan(policy, 5).objects.size(), 1U);
}

// A full backup a week, nine incremental ones a day, and an object every two minutes, for years:
// what must not become quadratic is the number of any of them.
TEST(RetainedLogs, AMillionObjectsAndTenThousandBackupsAreAMatterOfASecond) {
#if defined(ASB_SANITIZED)
    constexpr int kDays = 100;
#else
    constexpr int kDays = 1111;
#endif
    constexpr int kIncrementals = 8;
    constexpr int kObjects = 900;
    constexpr std::uint64_t kPlaces = kObjects;  // a day
    Repository repository;
    std::string parent;
    for (int day = 0; day < kDays; ++day) {
        const auto begin = static_cast<std::uint64_t>(day) * kPlaces;
        if (day % 7 == 0) {
            repository.full(day);
            auto& facts = repository.catalog.entries.back().manifest.log->facts;
            facts.ranges = {{1, begin, begin + 1}};
            facts.consistent = LogPoint{1, begin + 1};
            parent = repository.catalog.entries.back().name;
        }
        for (int i = 1; i <= kIncrementals; ++i) {
            repository.incremental(day, day, parent);
            auto& entry = repository.catalog.entries.back();
            entry.name = entry.manifest.name = name_of(day, 1 + i);
            entry.manifest.id = entry.name + "-id";
            const auto at = begin + static_cast<std::uint64_t>(i) * (kPlaces / kIncrementals);
            entry.manifest.log->facts.ranges = {{1, at - 20, at}};
            parent = entry.name;
        }
        for (int i = 0; i < kObjects; ++i) {
            const auto at = begin + static_cast<std::uint64_t>(i);
            repository.streamed["a"].spans.push_back(log_object(
                {1, at, at + 1}, {.newest = -1, .covered = second_of(day) + std::int64_t{i} * 96}));
        }
    }
    const auto history = make_log_history(repository.catalog, repository.streamed);
    RetentionPolicy policy = only_days(365);
    policy.database.monthly = 24;
    const auto start = std::chrono::steady_clock::now();
    const auto plan =
        plan_retention(history, repository.catalog, policy, {}, on_day(kDays) + hours(1));
    const auto took = std::chrono::steady_clock::now() - start;
#if !defined(ASB_SANITIZED)
    EXPECT_GT(plan.removal_order.size(), 5000U);
    ASSERT_EQ(plan.objects.size(), 1U);
    EXPECT_GT(plan.objects.front().spans.size(), 600'000U);
#endif
    EXPECT_LT(took, std::chrono::seconds(2));
    RecordProperty("milliseconds", static_cast<int>(took / std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace asb
