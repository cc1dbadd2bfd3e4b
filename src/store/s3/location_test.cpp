#include "store/s3/location.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>

namespace asb::s3 {
namespace {

using testing::HasSubstr;

std::string place_of(std::string_view text) {
    const auto location = parse_location(text);
    return location.ok() ? location->place() : to_text(location.error());
}

TEST(S3Location, TakesABucketWithAndWithoutAPrefix) {
    EXPECT_EQ(place_of("s3://backups"), "s3://backups");
    EXPECT_EQ(place_of("s3://backups/"), "s3://backups");
    EXPECT_EQ(place_of("s3://my.backups-1/auth//prod/"), "s3://my.backups-1/auth/prod");
    EXPECT_EQ(parse_location("s3://backups/auth/prod")->prefix, "auth/prod/");
    EXPECT_EQ(parse_location("s3://backups")->prefix, "");
}

TEST(S3Location, TakesATimeToLookBackTo) {
    const auto location = parse_location("s3://backups/auth?at=2024-01-15T03:00:00+01:00");
    ASSERT_TRUE(location.ok());
    ASSERT_TRUE(location->at);
    EXPECT_EQ(to_iso8601(*location->at), "2024-01-15T02:00:00.000Z");
    EXPECT_EQ(location->place(), "s3://backups/auth");
    EXPECT_THAT(place_of("s3://backups?at=yesterday"), HasSubstr("'?at=yesterday'"));
    EXPECT_THAT(place_of("s3://backups?versionId=1"), HasSubstr("not understood"));
}

TEST(S3Location, RefusesNamesThatAmazonRefuses) {
    EXPECT_THAT(place_of("s3://"), HasSubstr("at least 3 characters"));
    EXPECT_THAT(place_of("s3://ab"), HasSubstr("at least 3 characters"));
    EXPECT_THAT(place_of(fmt::format("s3://{:a>64}", "")), HasSubstr("at most 63"));
    EXPECT_THAT(place_of("s3://Backups"), HasSubstr("lower-case"));
    EXPECT_THAT(place_of("s3://back_ups"), HasSubstr("lower-case"));
    EXPECT_THAT(place_of("s3://-backups"), HasSubstr("begins and ends"));
    EXPECT_THAT(place_of("s3://back..ups"), HasSubstr("two dots"));
    EXPECT_THAT(place_of("s3://192.168.1.1"), HasSubstr("IP address"));
    EXPECT_THAT(place_of("gs://backups"), HasSubstr("does not begin with s3://"));
    EXPECT_THAT(place_of("s3://s3://backups"), HasSubstr("begins with s3:// twice"));
}

TEST(S3Location, RefusesAPrefixThatCouldNotBeNamed) {
    EXPECT_THAT(place_of("s3://backups/a/../b"), HasSubstr("'..' cannot be a part"));
    EXPECT_THAT(place_of("s3://backups/a\x01"), HasSubstr("cannot be shown"));
    EXPECT_THAT(place_of(fmt::format("s3://backups/{:a>600}", "")), HasSubstr("512 bytes"));
}

}  // namespace
}  // namespace asb::s3
