#include "net/bandwidth.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "net/test_server.hpp"
#include "net/test_support.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using test::Server;
using test::time_of;

constexpr std::uint64_t kRate = 2 * kMiB;

TEST(BandwidthLimit, AddsUpWhatIsMoved) {
    BandwidthLimit limit(1000);
    const auto start = steady_clock::now();
    limit.pay(500);
    const auto paid = limit.pay(1500) - start;
    EXPECT_GE(paid, seconds(2));
    EXPECT_LT(paid, seconds(3));
}

TEST(BandwidthLimit, WithoutALimitNothingWaits) {
    BandwidthLimit limit(0);
    const auto paid = limit.pay(kGiB);
    EXPECT_LE(paid, steady_clock::now());
}

// With rests that are longer than a stall may last: 16 KiB a turn are 8 ms.
TEST(BandwidthLimit, SlowsWhatIsSent) {
    Server server(test::always(test::reply("")));
    HttpClient client({.stall_max = milliseconds(5), .send_bytes_per_second = kRate}, StopToken());
    const std::string body(3 * kMiB, 'x');
    const auto time = time_of([&] {
        const auto reply =
            client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body)});
        EXPECT_TRUE(reply.ok()) << to_text(reply.error());
    });
    EXPECT_GE(time, milliseconds(1200));
    EXPECT_LE(time, milliseconds(3000));
}

TEST(BandwidthLimit, IsSharedByAllThatIsReceived) {
    Server server(test::always(test::reply(std::string(kMiB, 'x'))));
    HttpClient client({.receive_bytes_per_second = kRate}, StopToken());
    const auto time = time_of([&] {
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                const auto reply = client.send({.url = server.url()});
                EXPECT_TRUE(reply.ok()) << to_text(reply.error());
            });
    });
    EXPECT_GE(time, milliseconds(1500));
    EXPECT_LE(time, milliseconds(4000));
}

// 16 KiB are paid for after 500 ms, and the server goes on 150 ms later.
TEST(BandwidthLimit, DoesNotTakeARestOfItsOwnForAStall) {
    Server server([](test::Peer& peer, int) {
        peer.request();
        const std::string half(16 * kKiB, 'x');
        peer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * half.size()));
        std::this_thread::sleep_for(milliseconds(50));  // so that they come as one piece
        peer.send(half);
        std::this_thread::sleep_for(milliseconds(650));
        peer.send(half);
    });
    HttpClient client({.stall_max = milliseconds(400), .receive_bytes_per_second = 32 * kKiB},
                      StopToken());
    const auto reply = client.send({.url = server.url()});
    EXPECT_TRUE(reply.ok()) << to_text(reply.error());
}

TEST(BandwidthLimit, RestsNoLongerThanUntilAStop) {
    Server server(test::always(test::reply("")));
    const StopToken stop;
    HttpClient client({.send_bytes_per_second = kKiB}, stop);
    const std::string body(kMiB, 'x');
    std::jthread stopper([&] {
        std::this_thread::sleep_for(milliseconds(200));
        stop.request();
    });
    const auto time = time_of([&] {
        const auto reply =
            client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body)});
        ASSERT_FALSE(reply.ok());
        EXPECT_EQ(reply.error().code, Code::interrupted);
    });
    EXPECT_LT(time, seconds(1));
}

}  // namespace
}  // namespace asb
