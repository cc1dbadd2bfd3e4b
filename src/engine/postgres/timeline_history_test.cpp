#include "engine/postgres/timeline_history.hpp"

#include <gmock/gmock.h>

namespace asb {
namespace {

using testing::ElementsAre;

TEST(TimelineHistory, NamesEachBranchWithItsParent) {
    const auto branches = parse_timeline_history(
        "1\t0/3000148\tno recovery target specified\n\n2\t1/A0\tbefore 2024-01-15\n", 3);
    ASSERT_TRUE(branches.ok());
    EXPECT_THAT(*branches, ElementsAre(LogBranch{2, 1, 0x3000148}, LogBranch{3, 2, 0x1000000A0}));
    EXPECT_EQ(branch_from(*branches, 1)->line, 2U);
    EXPECT_EQ(branch_from(*branches, 3), nullptr);
}

TEST(TimelineHistory, PassesOverTimelinesThatAreNotAncestors) {
    const auto branches = parse_timeline_history("1\t0/10\tx\n3\t0/20\ty\n", 7);
    ASSERT_TRUE(branches.ok());
    EXPECT_THAT(*branches, ElementsAre(LogBranch{3, 1, 0x10}, LogBranch{7, 3, 0x20}));
}

TEST(TimelineHistory, RefusesWhatIsNoHistory) {
    for (const char* text : {"", "1\n", "x\t0/10\ty\n", "1\tzero\ty\n", "2\t0/10\ty\n",
                             "1\t0/20\ty\n1\t0/30\tz\n", "0\t0/10\ty\n"})
        EXPECT_FALSE(parse_timeline_history(text, 2).ok()) << text;
}

}  // namespace
}  // namespace asb
