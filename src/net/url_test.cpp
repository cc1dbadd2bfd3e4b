#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "net/http.hpp"

namespace asb {
namespace {

HttpUrl url_of(std::string_view text) {
    auto url = parse_http_url(text);
    EXPECT_TRUE(url.ok()) << text << ": " << to_text(url.error());
    return url.ok() ? *url : HttpUrl{};
}

TEST(PercentEncode, KeepsOnlyWhatRfc3986CallsUnreserved) {
    EXPECT_EQ(percent_encode("azAZ09-._~"), "azAZ09-._~");
    EXPECT_EQ(percent_encode("a b/c+d=e&f%"), "a%20b%2Fc%2Bd%3De%26f%25");
    EXPECT_EQ(percent_encode("ä\x01\xff"), "%C3%A4%01%FF");
    EXPECT_EQ(percent_encode("/a b/c", true), "/a%20b/c");
}

TEST(HttpUrl, IsReadIntoItsParts) {
    const auto url = url_of("HTTPS://Store.Example.COM:9000/a/../B%20c?x=1&y=?z");
    EXPECT_EQ(url.scheme, "https");
    EXPECT_EQ(url.host, "store.example.com");
    EXPECT_EQ(url.port, "9000");
    EXPECT_EQ(url.path, "/a/../B%20c");
    EXPECT_EQ(url.query, "x=1&y=?z");
    EXPECT_EQ(url.authority(), "store.example.com:9000");
    EXPECT_EQ(url.origin(), "https://store.example.com:9000");
}

TEST(HttpUrl, MayBeBare) {
    const auto url = url_of("http://store?list");
    EXPECT_EQ(url.host, "store");
    EXPECT_EQ(url.port, "");
    EXPECT_EQ(url.path, "");
    EXPECT_EQ(url.query, "list");
    EXPECT_EQ(url_of("http://store").origin(), "http://store");
    EXPECT_EQ(url_of("http://my_store.example./").host, "my_store.example.");
}

TEST(HttpUrl, LeavesTheSchemesOwnPortOutOfTheHostHeader) {
    EXPECT_EQ(url_of("https://a:443/").authority(), "a");
    EXPECT_EQ(url_of("http://a:80/").authority(), "a");
    EXPECT_EQ(url_of("http://a:443/").authority(), "a:443");
}

TEST(HttpUrl, KnowsTheAddressesOfThisMachine) {
    for (const auto* near : {"http://localhost:1", "http://127.0.0.1", "http://127.9.8.7/",
                             "https://[::1]:9000/x", "http://LOCALHOST"})
        EXPECT_TRUE(url_of(near).is_loopback()) << near;
    for (const auto* far : {"http://localhost.example", "http://127.example", "http://[::2]",
                            "http://10.0.0.1", "http://128.0.0.1"})
        EXPECT_FALSE(url_of(far).is_loopback()) << far;
}

TEST(HttpUrl, KeepsTheBracketsOfAnIpv6Address) {
    const auto url = url_of("http://[FE80::1]:8080/a:b");
    EXPECT_EQ(url.host, "[fe80::1]");
    EXPECT_EQ(url.port, "8080");
    EXPECT_EQ(url_of("http://[::1]").authority(), "[::1]");
}

TEST(HttpUrl, RefusesEverythingElse) {
    for (const std::string bad : {"",
                                  "/",
                                  "store",
                                  "store/bucket",
                                  "//store/",
                                  "ftp://store/",
                                  "file:///etc/passwd",
                                  "http:/store",
                                  "http://",
                                  "http:///path",
                                  "http://?x",
                                  "http://:80/",
                                  "http://a:/",
                                  "http://a:0/",
                                  "http://a:65536/",
                                  "http://a:080/",
                                  "http://a:1x/",
                                  "http://a:b:1/",
                                  "http://a..b/",
                                  "http://.a/",
                                  "http://a b/",
                                  "http://a/ b",
                                  "http://a/\n",
                                  "http://ä/",
                                  "http://a/ä",
                                  "http://a%41/",
                                  "http://a\\b/",
                                  "http://[::1/",
                                  "http://::1/",
                                  "http://[::1]x/",
                                  "http://[::1%25eth0]/",
                                  "http://[]/",
                                  "http://127.1/",
                                  "http://0x7f.1/",
                                  "http://256.0.0.1/",
                                  "http://2130706433/",
                                  "http://a/#fragment",
                                  "http://a#b",
                                  "http://[127.0.0.1]/"}) {
        const auto url = parse_http_url(bad);
        ASSERT_FALSE(url.ok()) << bad;
        EXPECT_EQ(url.error().code, Code::usage);
        EXPECT_FALSE(url.error().hint.empty());
    }
}

TEST(HttpUrl, RefusesAPasswordAndDoesNotRepeatIt) {
    for (const auto* bad : {"https://user:secret@store/", "https://secret@store/?x",
                            "https://user:secret@store/ x", "secret:secret@store/#"}) {
        const auto url = parse_http_url(bad);
        ASSERT_FALSE(url.ok()) << bad;
        EXPECT_EQ(to_text(url.error()).find("secret"), std::string::npos);
    }
    EXPECT_EQ(url_of("http://store/a@b").path, "/a@b");
}

TEST(HttpHeaders, CompareNamesWithoutRegardToCase) {
    HttpHeaders headers;
    headers.add("ETag", "1");
    headers.add("etag", "2");
    EXPECT_EQ(headers.get("ETAG"), "1");
    EXPECT_TRUE(headers.has("eTag"));
    EXPECT_FALSE(headers.has("ETa"));
    EXPECT_EQ(headers.get("other"), "");
    headers.set("ETAG", "3");
    EXPECT_THAT(headers.all(), testing::ElementsAre(testing::Pair("ETAG", "3")));
}

TEST(HttpDate, IsReadInAllThreeForms) {
    const auto expected = Instant{std::chrono::seconds(784'111'777)};
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
    EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), expected);
    EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), expected);
    EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994"), expected + std::chrono::days(10));
    EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 23:59:60 GMT"),
              Instant{std::chrono::seconds(1'709'251'200)});
}

TEST(HttpDate, IsNothingElse) {
    for (const auto* bad :
         {"", "0", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
          "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
          "06 Nov 1994 08:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT",
          "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Okt 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
          "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
          "Sun Nov 6 08:49:37 1994", "1994-11-06T08:49:37Z"})
        EXPECT_FALSE(parse_http_date(bad)) << bad;
}

}  // namespace
}  // namespace asb
