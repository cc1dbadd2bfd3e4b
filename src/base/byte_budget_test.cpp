#include "base/byte_budget.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace asb {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongEnoughToBlock = 50ms;  // the other thread would have gone on long before

TEST(ByteBudget, LetsBytesOutUntilTheyFillIt) {
    ByteBudget budget(10);
    EXPECT_TRUE(budget.take(4));
    EXPECT_TRUE(budget.take(6));
    std::atomic<bool> taken{false};
    const std::jthread taker([&] {
        EXPECT_TRUE(budget.take(5));
        taken = true;
    });
    std::this_thread::sleep_for(kLongEnoughToBlock);
    budget.give(4);
    std::this_thread::sleep_for(kLongEnoughToBlock);
    EXPECT_FALSE(taken.load());
    budget.give(6);
}

TEST(ByteBudget, LetsWhatIsLargerOutAlone) {
    ByteBudget budget(10);
    EXPECT_TRUE(budget.take(100));
    std::atomic<bool> taken{false};
    const std::jthread taker([&] {
        EXPECT_TRUE(budget.take(1));
        taken = true;
    });
    std::this_thread::sleep_for(kLongEnoughToBlock);
    EXPECT_FALSE(taken.load());
    budget.give(100);
}

TEST(ByteBudget, WakesAllWaitersOnClose) {
    ByteBudget budget(1);
    ASSERT_TRUE(budget.take(1));
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 3; ++i) waiters.emplace_back([&] { EXPECT_FALSE(budget.take(1)); });
    std::this_thread::sleep_for(kLongEnoughToBlock);
    budget.close();
    EXPECT_FALSE(budget.take(1));
}

}  // namespace
}  // namespace asb
