#include "net/retry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "net/test_support.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::time_of;

const Error kBusy{.code = Code::store, .fact = "store:443 answered 503", .retryable = true};

HttpReply asking_for(const std::string& wait) {
    HttpReply reply;
    reply.headers.add("retry-after", wait);
    return reply;
}

TEST(PassingStatus, IsOneThatMayBeDifferentLater) {
    std::set<int> passing;
    for (int status = 100; status < 600; ++status)
        if (is_passing_status(status)) passing.insert(status);
    EXPECT_EQ(passing, (std::set<int>{408, 425, 429, 500, 502, 503, 504}));
}

TEST(RetryAfter, IsReadAsSecondsAndAsADate) {
    const auto then = *parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(retry_after(asking_for("120"), then), seconds(120));
    EXPECT_EQ(retry_after(asking_for("0"), then), seconds(0));
    EXPECT_EQ(retry_after(asking_for("Sun, 06 Nov 1994 08:49:42 GMT"), then), seconds(5));
    EXPECT_EQ(retry_after(asking_for("Sun, 06 Nov 1994 08:49:32 GMT"), then), seconds(0));
    EXPECT_EQ(retry_after(asking_for("18446744073709551615"), then), seconds(86'400));
    EXPECT_EQ(retry_after(asking_for("-1"), then), std::nullopt);
    EXPECT_EQ(retry_after(asking_for("soon"), then), std::nullopt);
    EXPECT_EQ(retry_after({}, then), std::nullopt);
}

TEST(Tries, EndWithTheLastErrorWhenAllAreUsed) {
    Tries tries({.tries_max = 4, .wait_first = milliseconds(1)}, StopToken());
    for (int failed = 1; failed < 4; ++failed) {
        EXPECT_TRUE(tries.wait(kBusy).ok());
        EXPECT_EQ(tries.done(), failed);
    }
    const auto status = tries.wait(kBusy);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fact, kBusy.fact);
    EXPECT_EQ(tries.done(), 4);
}

TEST(Tries, WaitLongerEachTimeUpToTheMost) {
    std::vector<milliseconds> longest(5, milliseconds(0));
    for (int round = 0; round < 8; ++round) {
        Tries tries({.tries_max = 10, .wait_first = milliseconds(5), .wait_max = milliseconds(20)},
                    StopToken());
        for (auto& most : longest)
            most = std::max(most, time_of([&] { EXPECT_TRUE(tries.wait(kBusy).ok()); }));
    }
    EXPECT_LT(longest[0], milliseconds(5 + 15));  // and some for a busy machine
    EXPECT_GT(longest[4], milliseconds(5));
    for (const auto most : longest) EXPECT_LT(most, milliseconds(20 + 30));
}

TEST(Tries, ObeyTheServerThatAsksForMore) {
    Tries tries({.wait_first = milliseconds(1)}, StopToken());
    const auto time = time_of([&] { EXPECT_TRUE(tries.wait(kBusy, milliseconds(200)).ok()); });
    EXPECT_GE(time, milliseconds(200));
}

TEST(Tries, GoNotBeyondTheirTotal) {
    Tries tries({.wait_first = milliseconds(1), .total_max = milliseconds(200)}, StopToken());
    const auto time = time_of([&] {
        EXPECT_TRUE(tries.wait(kBusy, seconds(60)).ok());  // the last try comes at the end
        EXPECT_FALSE(tries.wait(kBusy).ok());
    });
    EXPECT_GE(time, milliseconds(200));
    EXPECT_LT(time, seconds(2));
}

TEST(Tries, AreOverWhenAStopIsRequested) {
    const StopToken stop;
    Tries tries({}, stop);
    std::jthread stopper([&] {
        std::this_thread::sleep_for(milliseconds(100));
        stop.request();
    });
    Status status;
    const auto time = time_of([&] { status = tries.wait(kBusy, seconds(60)); });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::interrupted);
    EXPECT_LT(time, seconds(1));
}

}  // namespace
}  // namespace asb
