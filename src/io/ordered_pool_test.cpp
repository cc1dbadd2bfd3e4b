#include "io/ordered_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>

namespace asb {
namespace {

using namespace std::chrono_literals;

TEST(OrderedPool, GivesResultsInTheOrderOfSubmission) {
    OrderedPool<int, int> pool(4, 8, [](int item) {
        std::this_thread::sleep_for(std::chrono::microseconds((item * 7919) % 500));
        return item * 2;
    });
    const std::jthread producer([&] {
        for (int item = 0; item < 500; ++item) EXPECT_TRUE(pool.submit(item));
        pool.finish();
    });
    for (int item = 0; item < 500; ++item) ASSERT_EQ(pool.take(), item * 2);
    EXPECT_EQ(pool.take(), std::nullopt);
    EXPECT_EQ(pool.take(), std::nullopt);
}

TEST(OrderedPool, TakesItemsThatCanOnlyMove) {
    OrderedPool<std::unique_ptr<int>, std::unique_ptr<int>> pool(
        1, 1, [](std::unique_ptr<int> item) { return item; });
    EXPECT_TRUE(pool.submit(std::make_unique<int>(3)));
    EXPECT_EQ(**pool.take(), 3);
}

TEST(OrderedPool, MakesTheProducerWaitWhenItIsFull) {
    OrderedPool<int, int> pool(1, 2, [](int item) { return item; });
    std::atomic<int> submitted{0};
    const std::jthread producer([&] {
        while (submitted < 100 && pool.submit(submitted)) ++submitted;
        pool.finish();
    });
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(submitted.load(), 2);
    for (int item = 0; item < 100; ++item) ASSERT_EQ(pool.take(), item);
    EXPECT_EQ(pool.take(), std::nullopt);
}

TEST(OrderedPool, WorksOnAllThreadsAtOnce) {
    std::atomic<int> inside{0};
    OrderedPool<int, bool> pool(2, 2, [&](int) {
        ++inside;
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while (inside < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
        return inside >= 2;
    });
    EXPECT_TRUE(pool.submit(1));
    EXPECT_TRUE(pool.submit(2));
    EXPECT_EQ(pool.take(), true);
    EXPECT_EQ(pool.take(), true);
}

TEST(OrderedPool, DropsEverythingOnCloseAndWakesBothEnds) {
    std::atomic<bool> go{false};
    OrderedPool<int, int> pool(1, 3, [&](int item) {
        while (!go) std::this_thread::yield();
        return item;
    });
    for (const int item : {1, 2, 3}) EXPECT_TRUE(pool.submit(item));
    std::jthread producer([&] { EXPECT_FALSE(pool.submit(4)); });
    std::this_thread::sleep_for(20ms);
    pool.close();
    producer.join();
    EXPECT_FALSE(pool.submit(5));
    go = true;
    int taken = 0;
    while (pool.take()) ++taken;
    EXPECT_LE(taken, 1);  // only what a worker had already begun
}

TEST(OrderedPool, WakesATakerOnClose) {
    OrderedPool<int, int> pool(1, 1, [](int item) { return item; });
    const std::jthread taker([&] { EXPECT_EQ(pool.take(), std::nullopt); });
    std::this_thread::sleep_for(20ms);
    pool.close();
}

TEST(OrderedPool, MayBeDestroyedWithItemsInside) {
    for (int round = 0; round < 50; ++round) {
        OrderedPool<int, int> pool(2, 4, [](int item) { return item; });
        for (const int item : {1, 2, 3, 4}) EXPECT_TRUE(pool.submit(item));
        if (round % 2 == 0) {
            EXPECT_EQ(pool.take(), 1);
        }
    }
}

}  // namespace
}  // namespace asb
