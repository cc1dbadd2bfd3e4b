#include "base/bounded_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace asb {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongEnoughToBlock = 50ms;  // the other thread would have gone on long before

TEST(BoundedQueue, GivesItemsInOrder) {
    BoundedQueue<int> queue(3);
    for (const int item : {1, 2, 3}) EXPECT_TRUE(queue.push(item));
    for (const int item : {1, 2, 3}) EXPECT_EQ(queue.pop(), item);
}

TEST(BoundedQueue, HoldsItemsThatCanOnlyMove) {
    BoundedQueue<std::unique_ptr<int>> queue(1);
    EXPECT_TRUE(queue.push(std::make_unique<int>(7)));
    EXPECT_EQ(**queue.pop(), 7);
}

TEST(BoundedQueue, MakesAPusherWaitWhileItIsFull) {
    BoundedQueue<int> queue(1);
    ASSERT_TRUE(queue.push(1));
    std::atomic<bool> pushed{false};
    const std::jthread pusher([&] {
        EXPECT_TRUE(queue.push(2));
        pushed = true;
    });
    std::this_thread::sleep_for(kLongEnoughToBlock);
    EXPECT_FALSE(pushed.load());
    EXPECT_EQ(queue.pop(), 1);
    EXPECT_EQ(queue.pop(), 2);
}

TEST(BoundedQueue, MakesAPopperWaitWhileItIsEmpty) {
    BoundedQueue<int> queue(1);
    std::atomic<int> popped{0};
    std::jthread popper([&] { popped = queue.pop().value_or(-1); });
    std::this_thread::sleep_for(kLongEnoughToBlock);
    EXPECT_EQ(popped.load(), 0);
    EXPECT_TRUE(queue.push(5));
    popper.join();
    EXPECT_EQ(popped.load(), 5);
}

TEST(BoundedQueue, GivesTheRestAfterCloseAndThenNothing) {
    BoundedQueue<int> queue(2);
    EXPECT_TRUE(queue.push(1));
    queue.close();
    queue.close();
    EXPECT_FALSE(queue.push(2));
    EXPECT_EQ(queue.pop(), 1);
    EXPECT_EQ(queue.pop(), std::nullopt);
    EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, WakesAllWaitersOnClose) {
    BoundedQueue<int> full(1), empty(1);
    ASSERT_TRUE(full.push(1));
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 3; ++i) {
        waiters.emplace_back([&] { EXPECT_FALSE(full.push(2)); });
        waiters.emplace_back([&] { EXPECT_EQ(empty.pop(), std::nullopt); });
    }
    std::this_thread::sleep_for(kLongEnoughToBlock);
    full.close();
    empty.close();
}

TEST(BoundedQueue, LosesAndRepeatsNothingBetweenManyThreads) {
    constexpr int kThreads = 4, kItems = 5000;
    BoundedQueue<int> queue(3);
    std::atomic<long> sum{0};
    std::atomic<int> count{0};
    std::vector<std::jthread> poppers;
    poppers.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
        poppers.emplace_back([&] {
            while (const auto item = queue.pop()) {
                sum += *item;
                ++count;
            }
        });
    {
        std::vector<std::jthread> pushers;
        pushers.reserve(kThreads);
        for (int i = 0; i < kThreads; ++i)
            pushers.emplace_back([&] {
                for (int item = 1; item <= kItems; ++item) EXPECT_TRUE(queue.push(item));
            });
    }
    queue.close();
    poppers.clear();
    EXPECT_EQ(count.load(), kThreads * kItems);
    EXPECT_EQ(sum.load(), long{kThreads} * kItems * (kItems + 1) / 2);
}

}  // namespace
}  // namespace asb
