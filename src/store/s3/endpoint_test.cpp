#include "store/s3/endpoint.hpp"

#include <gmock/gmock.h>

namespace asb::s3 {
namespace {

using testing::HasSubstr;

std::string url_of(const EndpointSettings& settings, const std::string& bucket,
                   const Query& query = {}) {
    const auto endpoint = Endpoint::make(settings, bucket);
    return endpoint.ok() ? endpoint->url("eu-west-1", "a b/c+d", query) : to_text(endpoint.error());
}

TEST(S3Endpoint, NamesTheBucketInTheHostAtAmazon) {
    EXPECT_EQ(url_of({}, "backups"), "https://backups.s3.eu-west-1.amazonaws.com/a%20b/c%2Bd");
    EXPECT_EQ(Endpoint::make({}, "backups")->url("cn-north-1", "", {{"location", ""}}),
              "https://backups.s3.cn-north-1.amazonaws.com.cn/?location=");
}

TEST(S3Endpoint, NamesABucketWithDotsInThePathSinceNoCertificateFitsIt) {
    EXPECT_EQ(url_of({}, "my.backups"),
              "https://s3.eu-west-1.amazonaws.com/my.backups/a%20b/c%2Bd");
}

TEST(S3Endpoint, NamesTheBucketInThePathOfOtherServers) {
    EXPECT_EQ(url_of({.url = "http://127.0.0.1:9000/"}, "backups", {{"x", "/="}}),
              "http://127.0.0.1:9000/backups/a%20b/c%2Bd?x=%2F%3D");
    EXPECT_EQ(url_of({.url = "https://host/storage"}, "backups"),
              "https://host/storage/backups/a%20b/c%2Bd");
    EXPECT_EQ(Endpoint::make({.url = "http://h"}, "backups")->url("x", "", {{"uploads", ""}}),
              "http://h/backups?uploads=");
}

TEST(S3Endpoint, DoesAsTheSettingSays) {
    EXPECT_EQ(url_of({.url = "https://host:8443", .addressing = Addressing::virtual_host}, "abc"),
              "https://abc.host:8443/a%20b/c%2Bd");
    EXPECT_EQ(url_of({.addressing = Addressing::path}, "abc"),
              "https://s3.eu-west-1.amazonaws.com/abc/a%20b/c%2Bd");
}

TEST(S3Endpoint, RefusesWhatIsNoEndpoint) {
    EXPECT_THAT(url_of({.url = "host:9000"}, "abc"), HasSubstr("the S3 endpoint 'host:9000'"));
    EXPECT_THAT(url_of({.url = "http://host?a=b"}, "abc"), HasSubstr("it has a query"));
}

}  // namespace
}  // namespace asb::s3
