#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "repo/log_history_fixture.hpp"
#include "repo/recovery_plan.hpp"

namespace asb {
namespace {

using testing::ElementsAre;

// An old primary that came back, backed up as a log of its own.
TEST(RecoveryOthers, NamesTheOtherLogsThatReachTheInstantToo) {
    Kept kept;
    kept.full("full", {1, 0, 100}, 100)
        .incremental("first", {{1, 100, 200}}, {.newest = 190, .covered = 200})
        .incremental("second", {{1, 200, 300}}, {.newest = 290, .covered = 300});
    kept.full("other", {1, 0, 100}, 150).of_log("b", "7");
    kept.incremental("after", {{1, 100, 200}}, {.newest = 190, .covered = 260}).of_log("b", "7");
    const auto history = kept.history();
    const auto ways = [&](const LogTarget& target) {
        const auto planned = plan_recovery(history, target);
        std::vector<std::string> bases;
        for (const auto& other : std::get<RecoveryPlan>(planned).others)
            bases.push_back(history.logs[other.log].id + " " + history.backups[other.base]);
        return bases;
    };
    EXPECT_THAT(ways(time_target(at_second(200))), ElementsAre("a full"));
    EXPECT_THAT(ways(time_target(at_second(140))), ElementsAre());
    EXPECT_THAT(ways(time_target(at_second(290))), ElementsAre());
    EXPECT_THAT(ways(position_target({1, 150})), ElementsAre());
}

}  // namespace
}  // namespace asb
