#include <curl/curl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "net/curl_error.hpp"
#include "net/http.hpp"
#include "net/test_server.hpp"
#include "net/test_support.hpp"

// Servers that fail in every way that a server can.
namespace asb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::always;
using test::error_of;
using test::get;
using test::Peer;
using test::Server;
using test::time_of;
using testing::HasSubstr;

TEST(HttpFailure, RefusesMoreThanItAskedFor) {
    Server server(always(test::reply("12345")));
    HttpClient client({}, StopToken());
    std::vector<std::byte> into(4);
    auto error = error_of(client.send({.url = server.url(), .into = into}));
    EXPECT_EQ(error.fact, fmt::format("the reply of {} has more than the 4 bytes that may be",
                                      server.server()));
    EXPECT_FALSE(error.retryable);
    EXPECT_EQ(error.code, Code::store);
    error = error_of(client.send({.url = server.url(), .reply_bytes_max = 4}));
    EXPECT_THAT(error.fact, HasSubstr("more than the 4 bytes"));
    EXPECT_TRUE(client.send({.url = server.url(), .reply_bytes_max = 5}).ok());
}

TEST(HttpFailure, RefusesHeadersWithoutEnd) {
    Server server([](Peer& peer, int) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 400; ++i) peer.send("X: " + std::string(1000, 'x') + "\r\n");
        peer.wait_for_end();
    });
    HttpClient client({}, StopToken());
    EXPECT_EQ(error_of(get(client, server.url())).fact,
              fmt::format("{} sent more than 256 KiB of headers", server.server()));
}

TEST(HttpFailure, TellsOfAConnectionRefused) {
    const test::Port port;
    HttpClient client({}, StopToken());
    const auto error = error_of(get(client, fmt::format("http://{}/", port.server())));
    EXPECT_EQ(error.fact, fmt::format("cannot connect to {}: Connection refused", port.server()));
    EXPECT_EQ(error.code, Code::store);
    EXPECT_TRUE(error.retryable);
    EXPECT_FALSE(error.hint.empty());
}

TEST(HttpFailure, TellsOfANameWithoutAddress) {
    HttpClient client({}, StopToken());
    const auto error = error_of(get(client, "http://store.invalid/bucket?secret"));
    EXPECT_EQ(error.fact, "no address is known for the name in store.invalid:80");
    EXPECT_FALSE(error.retryable);
}

TEST(HttpFailure, TellsOfAResetBeforeTheReply) {
    Server server([](Peer& peer, int) {
        peer.request();
        peer.reset_at_end();
    });
    HttpClient client({}, StopToken());
    const auto error = error_of(get(client, server.url("/key?secret")));
    EXPECT_EQ(error.fact, fmt::format("the connection to {} was lost: Connection reset by peer",
                                      server.server()));
    EXPECT_TRUE(error.retryable);
}

TEST(HttpFailure, TellsOfAnEndBeforeTheReply) {
    Server server([](Peer& peer, int) { peer.request(); });
    HttpClient client({}, StopToken());
    const auto error = error_of(get(client, server.url()));
    EXPECT_EQ(error.fact, fmt::format("{} closed the connection without a reply", server.server()));
    EXPECT_TRUE(error.retryable);
}

TEST(HttpFailure, TellsOfAReplyCutShort) {
    for (const bool is_reset : {false, true}) {
        Server server([&](Peer& peer, int) {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            if (is_reset) {
                std::this_thread::sleep_for(milliseconds(50));
                peer.reset_at_end();
            }
        });
        HttpClient client({}, StopToken());
        const auto error = error_of(get(client, server.url()));
        EXPECT_EQ(error.fact,
                  is_reset ? fmt::format("the connection to {} was lost: Connection reset by peer",
                                         server.server())
                           : fmt::format("the reply of {} was cut short", server.server()));
        EXPECT_TRUE(error.retryable);
    }
}

TEST(HttpFailure, TellsOfChunksCutShort) {
    Server server([](Peer& peer, int) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    HttpClient client({}, StopToken());
    const auto error = error_of(get(client, server.url()));
    EXPECT_EQ(error.fact, fmt::format("the reply of {} was cut short", server.server()));
    EXPECT_TRUE(error.retryable);
}

TEST(HttpFailure, TellsOfAServerThatSpeaksSomethingElse) {
    Server server([](Peer& peer, int) {
        peer.request();
        peer.send("-ERR unknown command 'GET'\r\n");
    });
    HttpClient client({}, StopToken());
    const auto error = error_of(get(client, server.url()));
    EXPECT_EQ(error.fact, fmt::format("{} does not speak HTTP", server.server()));
    EXPECT_FALSE(error.retryable);
}

TEST(HttpFailure, GivesUpWhenTheFirstByteIsLate) {
    Server server([](Peer& peer, int) { peer.wait_for_end(); });
    HttpClient client({}, StopToken());
    Result<HttpReply> reply = HttpReply{};
    const auto time = time_of(
        [&] { reply = client.send({.url = server.url(), .first_byte_max = milliseconds(300)}); });
    const auto error = error_of(reply);
    EXPECT_EQ(error.fact, fmt::format("{} did not answer within 300 ms", server.server()));
    EXPECT_TRUE(error.retryable);
    EXPECT_GE(time, milliseconds(300));
    EXPECT_LT(time, seconds(2));
}

TEST(HttpFailure, GivesUpOnALateFirstByteAsEarlyAsTheClientMust) {
    Server server([](Peer& peer, int) { peer.wait_for_end(); });
    HttpClient client({.first_byte_max = milliseconds(300)}, StopToken());
    EXPECT_EQ(error_of(get(client, server.url())).fact,
              fmt::format("{} did not answer within 300 ms", server.server()));
}

TEST(HttpFailure, WaitsForTheFirstByteLongerThanAStallMayLast) {
    Server server([](Peer& peer, int) {
        peer.request();
        std::this_thread::sleep_for(milliseconds(600));
        peer.send(test::reply("late"));
    });
    HttpClient client({.stall_max = milliseconds(200)}, StopToken());
    const auto reply = get(client, server.url());
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->body, "late");
}

TEST(HttpFailure, GivesUpOnAReplyThatStalls) {
    Server server([](Peer& peer, int) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        peer.wait_for_end();
    });
    HttpClient client({.stall_max = milliseconds(300)}, StopToken());
    const auto error = error_of(get(client, server.url()));
    EXPECT_EQ(error.fact, fmt::format("{} stalled: no byte for 300 ms in the middle of the reply",
                                      server.server()));
    EXPECT_TRUE(error.retryable);
}

TEST(HttpFailure, BearsAReplyThatIsSlowAndSteady) {
    Server server([](Peer& peer, int) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for (int i = 0; i < 10; ++i) {
            peer.send("x");
            std::this_thread::sleep_for(milliseconds(80));
        }
    });
    HttpClient client({.stall_max = milliseconds(400)}, StopToken());
    EXPECT_TRUE(get(client, server.url()).ok());
}

TEST(HttpFailure, GivesUpOnARequestThatNobodyReads) {
    Server server([](Peer& peer, int) {
        peer.request_headers();
        std::this_thread::sleep_for(seconds(1));
    });
    HttpClient client({.stall_max = milliseconds(300)}, StopToken());
    const std::string body(32 * kMiB, 'x');
    const auto error =
        error_of(client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body)}));
    EXPECT_EQ(error.fact, fmt::format("{} stalled: no byte for 300 ms in the middle of the request",
                                      server.server()));
}

TEST(HttpFailure, HearsARefusalBeforeItHasSentAll) {
    Server server([](Peer& peer, int) {
        peer.request_headers();
        peer.send(test::reply("denied", "403 Forbidden"));
        peer.wait_for_end();
    });
    HttpClient client({}, StopToken());
    const std::string body(32 * kMiB, 'x');
    const auto reply = client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body)});
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->status, 403);
    EXPECT_EQ(reply->body, "denied");
}

TEST(HttpFailure, BelievesThatANameWillHaveItsAddressAgain) {
    const auto error =
        explain({.code = CURLE_COULDNT_RESOLVE_HOST, .server = "store:443", .was_reached = true});
    EXPECT_EQ(error.fact, "no address is known for the name in store:443");
    EXPECT_TRUE(error.retryable);
}

TEST(HttpFailure, TellsWhatAProxyAnswered) {
    for (const bool is_down : {false, true}) {
        Server proxy(always(test::reply("", is_down ? "503 Down" : "403 Forbidden")));
        HttpClient client({.proxy = fmt::format("http://{}", proxy.server())}, StopToken());
        const auto error = error_of(get(client, "https://store.invalid/"));
        EXPECT_EQ(error.fact,
                  fmt::format("the proxy refused a connection to store.invalid:443 with status {}",
                              is_down ? 503 : 403));
        EXPECT_EQ(error.retryable, is_down);
    }
}

}  // namespace
}  // namespace asb
