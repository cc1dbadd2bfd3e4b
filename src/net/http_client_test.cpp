#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "net/http.hpp"
#include "net/test_server.hpp"
#include "net/test_support.hpp"

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

// Answers each request with what it was.
void echo(Peer& peer, int) {
    while (const auto asked = peer.request())
        peer.send(fmt::format("HTTP/1.1 200 OK\r\nX-Line: {}\r\nContent-Length: {}\r\n\r\n{}",
                              asked->line, asked->body.size(), asked->body));
}

TEST(HttpClient, BringsStatusHeadersAndBody) {
    Server server(
        always("HTTP/1.1 404 Not Found\r\nx-id:  7 \r\nX-Id: 8\r\nContent-Length: 4\r\n\r\n"
               "none"));
    HttpClient client({}, StopToken());
    const auto reply = get(client, server.url());
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->status, 404);
    EXPECT_EQ(reply->body, "none");
    EXPECT_EQ(reply->received, 4);
    EXPECT_EQ(reply->headers.get("X-ID"), "7");
    EXPECT_EQ(reply->headers.all().size(), 3);
}

TEST(HttpClient, SendsWhatItWasGivenAndNothingMore) {
    std::promise<test::Asked> heard;
    Server server([&](Peer& peer, int) {
        heard.set_value(peer.request().value());
        peer.send(test::reply(""));
    });
    HttpClient client({}, StopToken());
    HttpRequest request{.method = "POST", .url = server.url("/a/../b%2F?x=%20&y")};
    request.headers.add("X-Empty", "");
    request.headers.add("X-Full", "a: b");
    ASSERT_TRUE(client.send(request).ok());
    const auto seen = heard.get_future().get();
    EXPECT_EQ(seen.line, "POST /a/../b%2F?x=%20&y HTTP/1.1");
    EXPECT_EQ(seen.headers.get("Content-Length"), "0");
    EXPECT_EQ(seen.headers.get("User-Agent"), "auth-service-backup");
    EXPECT_EQ(seen.headers.get("X-Full"), "a: b");
    EXPECT_TRUE(seen.headers.has("X-Empty"));
    for (const auto* name : {"Expect", "Accept-Encoding", "Content-Type", "Transfer-Encoding"})
        EXPECT_FALSE(seen.headers.has(name)) << name;
}

TEST(HttpClient, SpeaksEveryMethod) {
    Server server(echo);
    HttpClient client({}, StopToken());
    const std::string body = "body";
    for (const std::string method : {"PUT", "POST", "DELETE", "PATCH"}) {
        const auto reply =
            client.send({.method = method, .url = server.url(), .body = as_bytes(body)});
        ASSERT_TRUE(reply.ok()) << to_text(reply.error());
        EXPECT_EQ(reply->headers.get("X-Line"), method + " / HTTP/1.1");
        EXPECT_EQ(reply->body, body);
    }
    const auto bare = client.send({.method = "DELETE", .url = server.url()});
    ASSERT_TRUE(bare.ok());
    EXPECT_EQ(bare->headers.get("X-Line"), "DELETE / HTTP/1.1");
    EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, ReadsTheLengthFromTheReplyToHead) {
    Server server(always("HTTP/1.1 200 OK\r\nContent-Length: 123456789\r\n\r\n"));
    HttpClient client({}, StopToken());
    for (int i = 0; i < 2; ++i) {
        const auto reply = client.send({.method = "HEAD", .url = server.url()});
        ASSERT_TRUE(reply.ok()) << to_text(reply.error());
        EXPECT_EQ(reply->headers.get("content-length"), "123456789");
        EXPECT_EQ(reply->received, 0);
    }
    EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, ForgetsTheHeadersOfAnInterimReply) {
    Server server(always("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + test::reply("done")));
    HttpClient client({}, StopToken());
    const auto reply = get(client, server.url());
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->status, 200);
    EXPECT_FALSE(reply->headers.has("X-Early"));
    EXPECT_EQ(reply->body, "done");
}

TEST(HttpClient, ShowsARedirectAndDoesNotFollowIt) {
    Server server(always("HTTP/1.1 307 Elsewhere\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"));
    HttpClient client({}, StopToken());
    const auto reply = get(client, server.url());
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->status, 307);
    EXPECT_EQ(reply->headers.get("Location"), "/b");
}

TEST(HttpClient, PutsChunksTogether) {
    Server server(
        always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "4\r\nchun\r\n3\r\nked\r\n0\r\n\r\n"));
    HttpClient client({}, StopToken());
    const auto reply = get(client, server.url());
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->body, "chunked");
}

TEST(HttpClient, CarriesALargeBodyThereAndBack) {
    Server server(echo);
    HttpClient client({}, StopToken());
    std::string body(20 * kMiB, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 8);
    std::vector<std::byte> into(body.size());
    const auto reply =
        client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body), .into = into});
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->received, body.size());
    EXPECT_TRUE(reply->body.empty());
    EXPECT_TRUE(as_text(into) == body);
}

TEST(HttpClient, KeepsTheTextOfAFailureOutOfTheBuffer) {
    Server server(always(test::reply("<Error/>", "503 Slow Down")));
    HttpClient client({}, StopToken());
    std::vector<std::byte> into(4);
    const auto reply = client.send({.url = server.url(), .into = into});
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->body, "<Error/>");
    EXPECT_EQ(into, std::vector<std::byte>(4));
}

TEST(HttpClient, UsesConnectionsAgain) {
    Server server(always(test::reply("x")));
    HttpClient client({}, StopToken());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(get(client, server.url()).ok());
    EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, ServesManyThreadsWithAConnectionEach) {
    Server server(echo);
    HttpClient client({}, StopToken());
    std::atomic<int> good{0};
    std::vector<std::jthread> threads;
    threads.reserve(8);
    for (int thread = 0; thread < 8; ++thread)
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 100; ++i) {
                const auto body = fmt::format("{} {}", thread, i);
                const auto reply =
                    client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body)});
                if (reply.ok() && reply->body == body) ++good;
            }
        });
    threads.clear();
    EXPECT_EQ(good, 800);
    EXPECT_LE(server.connections(), 8);
}

// The server closes at the very moment in which the connection is used again.
TEST(HttpClient, BeginsAnewOnAConnectionThatDied) {
    Server server([](Peer& peer, int number) {
        peer.request();
        peer.send(test::reply("first"));
        if (number == 1) {
            peer.request();  // and answers it no more
            return;
        }
        peer.wait_for_end();
    });
    HttpClient client({}, StopToken());
    const std::string body(kMiB, 'x');
    for (int i = 0; i < 2; ++i) {
        const auto reply =
            client.send({.method = "PUT", .url = server.url(), .body = as_bytes(body)});
        ASSERT_TRUE(reply.ok()) << to_text(reply.error());
        EXPECT_EQ(reply->body, "first");
    }
    EXPECT_EQ(server.connections(), 2);
}

TEST(HttpClient, EndsAtOnceWhenAStopIsRequested) {
    Server server([](Peer& peer, int) { peer.wait_for_end(); });
    const StopToken stop;
    HttpClient client({}, stop);
    auto reply = std::async(std::launch::async, [&] { return get(client, server.url()); });
    std::this_thread::sleep_for(milliseconds(300));
    stop.request();
    const auto time = time_of([&] { EXPECT_EQ(error_of(reply.get()).code, Code::interrupted); });
    EXPECT_LT(time, milliseconds(500));
    EXPECT_EQ(error_of(get(client, server.url())).code, Code::interrupted);
}

TEST(HttpClient, TidiesUpDespiteAStopButNotForEver) {
    Server server([](Peer& peer, int) {
        while (const auto asked = peer.request())
            if (asked->line.starts_with("DELETE")) peer.send(test::reply("", "204 No Content"));
    });
    const StopToken stop;
    HttpClient client({}, stop);
    stop.request();
    const auto reply =
        client.send_despite_stop({.method = "DELETE", .url = server.url()}, seconds(10));
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
    EXPECT_EQ(reply->status, 204);
    Result<HttpReply> late = HttpReply{};
    const auto time =
        time_of([&] { late = client.send_despite_stop({.url = server.url()}, milliseconds(300)); });
    EXPECT_EQ(error_of(late).fact,
              fmt::format("{} did not answer in the time that was left", server.server()));
    EXPECT_LT(time, seconds(2));
}

TEST(HttpClient, RefusesWhatWouldBeASecondHeaderOrRequest) {
    Server server(always(test::reply("")));
    HttpClient client({}, StopToken());
    HttpRequest request{.url = server.url()};
    request.headers.add("X-Name", "a\r\nX-Other: b");
    EXPECT_EQ(error_of(client.send(request)).code, Code::usage);
    EXPECT_EQ(error_of(client.send({.method = "GET / HTTP/1.1\r\n", .url = server.url()})).code,
              Code::usage);
    EXPECT_EQ(error_of(client.send({.url = "file:///etc/passwd"})).code, Code::usage);
    EXPECT_EQ(server.connections(), 0);
}

TEST(HttpClient, AsksTheProxyForWhatIsFarAway) {
    Server proxy(echo);
    HttpClient client({.proxy = fmt::format("http://{}", proxy.server())}, StopToken());
    const auto far = get(client, "http://store.invalid/bucket");
    ASSERT_TRUE(far.ok()) << to_text(far.error());
    EXPECT_EQ(far->headers.get("X-Line"), "GET http://store.invalid/bucket HTTP/1.1");
    Server near(echo);
    const auto direct = get(client, near.url());
    ASSERT_TRUE(direct.ok()) << to_text(direct.error());
    EXPECT_EQ(direct->headers.get("X-Line"), "GET / HTTP/1.1");
}

TEST(HttpClient, AsksNoProxyForAMachinesOwnCredentials) {
    Server proxy(echo);
    const HttpClient::Options options{.proxy = fmt::format("http://{}", proxy.server()),
                                      .connect_max = milliseconds(300)};
    HttpClient client(options, StopToken());
    for (const auto* host : {"metadata.google.internal", "METADATA.google.internal",
                             "metadata.google.internal.", "169.254.169.254", "169.254.170.2",
                             "[fd00:ec2::254]", "[fd00:ec2::23]", "[fd20:ce::254]"})
        static_cast<void>(get(client, fmt::format("http://{}/latest", host)));
    EXPECT_EQ(proxy.connections(), 0);
    const auto another = get(client, "http://metadata.store.invalid/latest");
    ASSERT_TRUE(another.ok()) << to_text(another.error());
    EXPECT_EQ(proxy.connections(), 1);
}

}  // namespace
}  // namespace asb
