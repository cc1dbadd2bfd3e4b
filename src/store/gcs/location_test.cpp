#include "store/gcs/location.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "codec/digest.hpp"
#include "store/gcs/encoding.hpp"

namespace asb::gcs {
namespace {

using testing::HasSubstr;

Location parse(std::string_view text) {
    const auto location = parse_location(text);
    EXPECT_TRUE(location.ok()) << text;
    return location.ok() ? *location : Location{};
}

std::string refusal_of(std::string_view text) {
    const auto location = parse_location(text);
    EXPECT_FALSE(location.ok()) << text;
    EXPECT_EQ(location.ok() ? Code::failed : location.error().code, Code::usage);
    return location.ok() ? "" : location.error().fact;
}

TEST(GcsLocation, IsABucketWithAPrefix) {
    EXPECT_EQ(parse("gs://backups").bucket, "backups");
    EXPECT_EQ(parse("gs://backups").prefix, "");
    EXPECT_EQ(parse("gs://backups").place(), "gs://backups");
    EXPECT_EQ(parse("gs://backups/").prefix, "");
    EXPECT_EQ(parse("gs://my.backups_2/team//auth/").prefix, "team/auth/");
    EXPECT_EQ(parse("gs://my.backups_2/team//auth/").place(), "gs://my.backups_2/team/auth");
}

TEST(GcsLocation, LooksBackToATime) {
    const auto location = parse("gs://backups/auth?at=2024-01-15T03:00:00.5+01:00");
    ASSERT_TRUE(location.at.has_value());
    EXPECT_EQ(to_iso8601(*location.at), "2024-01-15T02:00:00.500Z");
    EXPECT_EQ(location.place(), "gs://backups/auth");
    EXPECT_FALSE(parse("gs://backups/auth").at.has_value());
    EXPECT_THAT(refusal_of("gs://backups?at=yesterday"), HasSubstr("'?at=yesterday'"));
    EXPECT_THAT(refusal_of("gs://backups?versions=true"), HasSubstr("not understood"));
}

TEST(GcsLocation, RefusesBucketsThatCannotExist) {
    EXPECT_THAT(refusal_of("gs://"), HasSubstr("fewer than 3"));
    EXPECT_THAT(refusal_of("gs://ab"), HasSubstr("fewer than 3"));
    EXPECT_THAT(refusal_of("gs://Backups"), HasSubstr("lower-case"));
    EXPECT_THAT(refusal_of("gs://user@backups"), HasSubstr("lower-case"));
    EXPECT_THAT(refusal_of("gs://-backups"), HasSubstr("begins or ends"));
    EXPECT_THAT(refusal_of("gs://backups-"), HasSubstr("begins or ends"));
    EXPECT_THAT(refusal_of("gs://a..b"), HasSubstr("two dots"));
    EXPECT_THAT(refusal_of("gs://192.168.5.4"), HasSubstr("IP address"));
    EXPECT_THAT(refusal_of("gs://goog-backups"), HasSubstr("'goog'"));
    EXPECT_THAT(refusal_of("gs://my-g00gle-backups"), HasSubstr("Google's own"));
    EXPECT_THAT(refusal_of("gs://" + std::string(64, 'a')), HasSubstr("63 characters"));
    EXPECT_THAT(refusal_of("gs://" + std::string(223, 'a')), HasSubstr("222"));
    EXPECT_EQ(parse("gs://" + std::string(63, 'a') + "." + std::string(63, 'b')).prefix, "");
}

TEST(GcsLocation, RefusesOtherPlacesAndPrefixes) {
    EXPECT_THAT(refusal_of("s3://backups"), HasSubstr("does not begin with gs://"));
    EXPECT_THAT(refusal_of("gs://gs://backups"), HasSubstr("begins with gs:// twice"));
    EXPECT_THAT(refusal_of("gs://backups/a#b"), HasSubstr("a # in it"));
    EXPECT_THAT(refusal_of("gs://backups/../other"), HasSubstr("'..'"));
    EXPECT_THAT(refusal_of("gs://backups/a\nb"), HasSubstr("cannot be shown"));
    EXPECT_THAT(refusal_of("gs://backups/" + std::string(600, 'a')), HasSubstr("512 bytes"));
}

TEST(GcsEncoding, WritesCrc32cAsGoogleDoes) {
    const auto crc = crc32c(0, as_bytes("123456789"));
    EXPECT_EQ(crc, 0xe3069283U);  // RFC 3720, B.4, as everybody checks it
    EXPECT_EQ(crc_to_base64(crc), "4waSgw==");
    EXPECT_EQ(crc_from_base64("4waSgw=="), crc);
    EXPECT_EQ(crc_from_base64("AAAAAA=="), 0U);
    for (const char* text : {"", "4waSgw", "4waSgx==", "4wa$gw==", "4waSgw==x", "4waSg==="})
        EXPECT_EQ(crc_from_base64(text), std::nullopt) << text;
}

TEST(GcsEncoding, WritesTokensInTheUrlAlphabetWithoutPadding) {
    EXPECT_EQ(base64_url(as_bytes("\xfb\xff\xfe")), "-__-");
    EXPECT_EQ(base64_url(as_bytes("f")), "Zg");
    EXPECT_EQ(base64_url(as_bytes("")), "");
}

}  // namespace
}  // namespace asb::gcs
