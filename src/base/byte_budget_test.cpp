#include "base/byte_budget.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace asb {
namespace {

using namespace std::chrono_literals;

constexpr auto kTimeToBlock = 50ms;  // the other thread would have gone on long before

// A thread that takes `bytes` from a budget, at once or later.
class Taker {
  public:
    Taker(ByteBudget& budget, std::uint64_t bytes)
        : thread_([this, &budget, bytes] { taken_ = budget.take(bytes).has_value(); }) {
        std::this_thread::sleep_for(kTimeToBlock);
    }
    [[nodiscard]] bool has_taken() const { return taken_.load(); }
    bool taken_in_the_end() {
        thread_.join();
        return taken_.load();
    }

  private:
    std::atomic<bool> taken_{false};
    std::jthread thread_;
};

TEST(ByteBudget, LetsBytesOutUntilTheyFillIt) {
    ByteBudget budget(10);
    auto first = budget.take(4);
    auto second = budget.take(6);
    ASSERT_TRUE(first && second);
    Taker taker(budget, 5);
    first.reset();
    std::this_thread::sleep_for(kTimeToBlock);
    EXPECT_FALSE(taker.has_taken());
    second.reset();
    EXPECT_TRUE(taker.taken_in_the_end());
}

TEST(ByteBudget, LetsWhatIsLargerOutAlone) {
    ByteBudget budget(10);
    auto larger = budget.take(100);
    ASSERT_TRUE(larger);
    Taker taker(budget, 1);
    EXPECT_FALSE(taker.has_taken());
    larger.reset();
    EXPECT_TRUE(taker.taken_in_the_end());
}

TEST(ByteBudget, TakesALeaseThatWasMovedOnce) {
    ByteBudget budget(1);
    auto lease = budget.take(1);
    ByteBudget::Lease moved = std::move(*lease);
    lease.reset();
    Taker taker(budget, 1);
    EXPECT_FALSE(taker.has_taken());
    moved = ByteBudget::Lease();
    EXPECT_TRUE(taker.taken_in_the_end());
}

TEST(ByteBudget, WakesAllWaitersOnClose) {
    ByteBudget budget(1);
    const auto all = budget.take(1);
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 3; ++i) waiters.emplace_back([&] { EXPECT_FALSE(budget.take(1)); });
    std::this_thread::sleep_for(kTimeToBlock);
    budget.close();
    EXPECT_FALSE(budget.take(1));
}

}  // namespace
}  // namespace asb
