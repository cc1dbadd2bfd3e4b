#include "repo/retention_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "repo/retention_fixture.hpp"

namespace asb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(RetentionPlan, RemovesNothingWithoutARule) {
    const auto repository = Repository().full(0).incremental(0, 1).config(2).full(3).damaged();
    EXPECT_TRUE(repository.plan({}, 4000).removes_nothing());
    EXPECT_EQ(repository.told({}, 4000)[1], "0102 keep: the last good incremental backup");
}

TEST(RetentionPlan, KeepsWhatAnIncrementalBackupGoesOnFrom) {
    const auto repository =
        Repository().full(0).incremental(0, 1).incremental(1, 2).full(10).incremental(2, 11);
    auto policy = only_days(0);
    policy.database.last = 1;
    EXPECT_THAT(repository.told(policy, 12),
                ElementsAre(HasSubstr("0101 remove: "), HasSubstr("0102 remove: "),
                            HasSubstr("0103 remove: "), HasSubstr("0111 keep: the last good full"),
                            HasSubstr("0112 keep: the last good incremental")));
}

TEST(RetentionPlan, CountsCalendarPeriods) {
    Repository repository;
    for (int day = 0; day < 40; ++day) repository.full(day);
    RetentionPolicy policy;
    policy.database.daily = 2;
    policy.database.weekly = 3;
    policy.database.monthly = 2;
    std::vector<std::string> kept;
    for (const auto& line : repository.told(policy, 39))
        if (line.find("keep") != std::string::npos) kept.push_back(line);
    // Day 39 is Friday, 9 February; Sundays are 28 January and 4 February.
    EXPECT_THAT(
        kept,
        ElementsAre("0128 keep: one of the 3 weekly ones", "0131 keep: one of the 2 monthly ones",
                    "0204 keep: one of the 3 weekly ones", "0208 keep: one of the 2 daily ones",
                    "0209 keep: the last good full backup"));
}

TEST(RetentionPlan, ObeysAHoldAndWhatItNeedsUntilItEnds) {
    auto repository = Repository().full(0).incremental(0, 1).incremental(1, 2).full(50);
    repository.incremental(50, 51);
    repository.held(name_of(1, 1), on_day(60));
    EXPECT_THAT(
        repository.told(only_days(5), 55),
        ElementsAre("0101 keep: the incremental backup auth-service-backup-20240102_030000 goes on "
                    "from it",
                    "0102 keep: held by legal until 2024-03-01 02:00:00 UTC because: case 12/24",
                    "0103 remove: older than 5 days, and nothing that stays needs it",
                    HasSubstr("0220 keep"), HasSubstr("0221 keep")));
    EXPECT_THAT(repository.removed(only_days(5), 60), ElementsAre("0103_03", "0102_03", "0101_02"));
}

TEST(RetentionPlan, AHoldThatCannotBeReadNeverEnds) {
    auto repository = Repository().full(0).full(50);
    repository.held(name_of(0), on_day(1));
    repository.holds.front().problem = "it is not JSON";
    EXPECT_EQ(repository.told(only_days(5), 900).front(),
              "0101 keep: held: a hold on it cannot be read (it is not JSON)");
}

TEST(RetentionPlan, NeverRemovesTheLastGoodBackup) {
    const auto repository = Repository().full(0).incremental(0, 1).full(2).damaged().config(1);
    RetentionPolicy policy = only_days(1);
    policy.max_age_days = 30;
    EXPECT_THAT(repository.told(policy, 500),
                ElementsAre("0101 keep: the last good full backup; conflict: it is older than "
                            "RETENTION_MAX_DAYS (30 days)",
                            HasSubstr("0102 keep: the last good incremental backup; conflict"),
                            HasSubstr("0103 keep: damaged, but no good full backup is newer"),
                            HasSubstr("0102 keep: the last good config backup; conflict")));
}

TEST(RetentionPlan, RemovesADamagedOneByItsAgeOnly) {
    auto repository = Repository().full(0).damaged().full(1).full(2);
    RetentionPolicy policy;
    policy.database.last = 1;
    EXPECT_THAT(repository.told(policy, 30),
                ElementsAre("0101 keep: damaged, and no rule says at which age that goes",
                            "0102 remove: none of those that the rules count",
                            "0103 keep: the last good full backup"));
    policy.max_age_days = 20;
    EXPECT_EQ(repository.told(policy, 30).front(),
              "0101 remove: damaged, and older than RETENTION_MAX_DAYS (20 days)");
}

TEST(RetentionPlan, TellsAConflictOfGreatestAgeAndPromise) {
    const auto repository = Repository().full(0).incremental(0, 25).full(28);
    RetentionPolicy policy = only_days(10);
    policy.max_age_days = 20;
    EXPECT_EQ(repository.told(policy, 30).front(),
              "0101 keep: the incremental backup auth-service-backup-20240126_030000 goes on from "
              "it; conflict: it is older than RETENTION_MAX_DAYS (20 days)");
}

TEST(RetentionPlan, GreatestAgeIsStrongerThanACount) {
    const auto repository = Repository().full(0).full(20).full(28);
    RetentionPolicy policy;
    policy.database.last = 3;
    policy.max_age_days = 20;
    EXPECT_THAT(
        repository.told(policy, 30),
        ElementsAre("0101 remove: older than RETENTION_MAX_DAYS (20 days)",
                    "0121 keep: one of the 3 last ones", "0129 keep: the last good full backup"));
}

TEST(RetentionPlan, NothingYoungerThanTheLeastAgeGoes) {
    const auto repository = Repository().full(0).full(1).full(2);
    RetentionPolicy policy;
    policy.database.last = 1;
    policy.min_age_days = 2;
    EXPECT_THAT(
        repository.told(policy, 2),
        ElementsAre("0101 remove: none of those that the rules count",
                    "0102 keep: younger than RETENTION_MIN_DAYS (2 days)", HasSubstr("0103 keep")));
}

TEST(RetentionPlan, ConfigBackupsMayHaveTheirOwnRules) {
    const auto repository = Repository().full(0).config(0).config(10).full(10);
    RetentionPolicy policy = only_days(5);
    EXPECT_THAT(repository.removed(policy, 10), ElementsAre("0101_04", "0101_02"));
    policy.config = KeepRules{.days = 20};
    EXPECT_THAT(repository.removed(policy, 10), ElementsAre("0101_02"));
}

TEST(RetentionPlan, ABackupFromTheFutureReplacesNothing) {
    const auto repository = Repository().full(0).full(1).full(2000);
    RetentionPolicy policy;
    policy.database.last = 1;
    EXPECT_THAT(repository.told(policy, 5),
                ElementsAre(HasSubstr("remove"), "0102 keep: the last good full backup",
                            HasSubstr("keep: it was made at 2029-06-23 02:30:00 UTC, which is not "
                                      "yet: a clock was wrong")));
}

// The example of docs/retention.md.
TEST(RetentionPlan, IsAsTheDocumentationShowsIt) {
    Repository repository;
    for (int day = -7; day < 29; ++day)
        if (day % 7 == 0)
            repository.full(day);
        else
            repository.incremental(day - 1, day);
    RetentionPolicy policy = only_days(10);
    policy.database.monthly = 3;
    const auto told = repository.told(policy, 29);
    EXPECT_EQ(told[0], "1225 keep: one of the 3 monthly ones");
    EXPECT_EQ(told[1], "1226 remove: older than 10 days, and nothing that stays needs it");
    EXPECT_EQ(told[7], "0101 remove: older than 10 days, and none of those that the rules count");
    EXPECT_THAT(told[21], HasSubstr("0115 keep: the incremental backup auth-service-backup-"
                                    "20240116_"));
    EXPECT_THAT(told[22], HasSubstr("0116 keep: the incremental backup auth-service-backup-"
                                    "20240117_"));
    EXPECT_EQ(told[27], "0121 keep: younger than 10 days");
    EXPECT_EQ(told[35], "0129 keep: the last good full backup");
}

}  // namespace
}  // namespace asb
