#include "store/s3/replies.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace asb::s3 {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(S3Replies, ReadAPageOfObjectsWithEncodedNames) {
    const auto page = parse_objects(R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>bucket</Name><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>
  <NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
  <Contents><Key>a%2Fb+c%C3%A4</Key><LastModified>2024-01-15T02:00:00.000Z</LastModified>
    <ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>434234</Size></Contents>
  <Contents><Key>z</Key><LastModified>2024-01-15T02:00:01Z</LastModified><Size>0</Size></Contents>
</ListBucketResult>)");
    ASSERT_TRUE(page.ok()) << to_text(page.error());
    ASSERT_EQ(page->objects.size(), 2U);
    EXPECT_EQ(page->objects[0].key, "a/b c\xC3\xA4");
    EXPECT_EQ(page->objects[0].size, 434234U);
    EXPECT_EQ(page->objects[0].etag, "\"9b2cf535f27731c974343645a3985328\"");
    EXPECT_EQ(to_iso8601(page->objects[1].modified), "2024-01-15T02:00:01.000Z");
    EXPECT_EQ(page->next_token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
}

TEST(S3Replies, LeaveNamesAloneThatAServerDidNotEncode) {
    const auto page = parse_objects(
        "<ListBucketResult><Contents><Key>a+%41</Key><Size>1</Size>"
        "<LastModified>2024-01-15T02:00:00.000Z</LastModified></Contents></ListBucketResult>");
    ASSERT_TRUE(page.ok());
    EXPECT_EQ(page->objects[0].key, "a+%41");
    EXPECT_EQ(page->next_token, "");
}

TEST(S3Replies, SayWhenAPageHasNoEndAndNoNextOne) {
    const auto page =
        parse_objects("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
    ASSERT_FALSE(page.ok());
    EXPECT_EQ(page.error().fact, "the answer is not S3's: <NextContinuationToken> is ''");
}

TEST(S3Replies, KeepTheOrderOfVersionsAndDeleteMarkers) {
    const auto page = parse_versions(R"(<ListVersionsResult>
  <IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker>
  <NextVersionIdMarker>v0</NextVersionIdMarker>
  <DeleteMarker><Key>a</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest>
    <LastModified>2024-01-15T02:00:02.000Z</LastModified></DeleteMarker>
  <Version><Key>a</Key><VersionId>v2</VersionId><Size>7</Size>
    <LastModified>2024-01-15T02:00:01.000Z</LastModified></Version>
  <Version><Key>b</Key><VersionId>null</VersionId><Size>8</Size>
    <LastModified>2024-01-15T02:00:00.000Z</LastModified></Version>
</ListVersionsResult>)");
    ASSERT_TRUE(page.ok()) << to_text(page.error());
    ASSERT_EQ(page->versions.size(), 3U);
    EXPECT_TRUE(page->versions[0].is_marker);
    EXPECT_EQ(page->versions[1].version_id, "v2");
    EXPECT_EQ(page->versions[1].size, 7U);
    EXPECT_EQ(page->versions[2].version_id, "null");
    EXPECT_EQ(page->next_key, "b");
    EXPECT_EQ(page->next_version, "v0");
}

TEST(S3Replies, ReadUploadsThatWereNeverFinished) {
    const auto page = parse_uploads(
        "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>a</Key>"
        "<UploadId>id==</UploadId><Initiated>2024-01-15T02:00:00.000Z</Initiated></Upload>"
        "</ListMultipartUploadsResult>");
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(page->uploads.size(), 1U);
    EXPECT_EQ(page->uploads[0].upload_id, "id==");
    EXPECT_EQ(to_iso8601(page->uploads[0].initiated), "2024-01-15T02:00:00.000Z");
}

TEST(S3Replies, ReadTheIdOfAnUpload) {
    EXPECT_EQ(*parse_upload_id("<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
                               "</InitiateMultipartUploadResult>"),
              "u1");
    EXPECT_FALSE(parse_upload_id("<InitiateMultipartUploadResult/>").ok());
}

TEST(S3Replies, DoNotTakeAnErrorWithStatus200ForACompletedUpload) {
    EXPECT_TRUE(parse_completed("<CompleteMultipartUploadResult/>").ok());
    const auto status = parse_completed(
        "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message>"
        "<RequestId>656c76696e6727732072657175657374</RequestId></Error>");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fact, "InternalError: We encountered an internal error.");
}

TEST(S3Replies, NameWhatCouldNotBeDeleted) {
    const auto kept = parse_deleted(
        "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><VersionId>v</VersionId>"
        "<Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>");
    ASSERT_TRUE(kept.ok());
    ASSERT_EQ(kept->size(), 1U);
    EXPECT_EQ(kept->front().key, "b");
    EXPECT_EQ(kept->front().version_id, "v");
    EXPECT_EQ(kept->front().code, "AccessDenied");
}

TEST(S3Replies, KnowABucketThatHasOrHadVersions) {
    const auto versioning = [](const std::string& status) {
        return *parse_versioning(
            fmt::format("<VersioningConfiguration>{}</VersioningConfiguration>", status));
    };
    EXPECT_TRUE(versioning("<Status>Enabled</Status>"));
    EXPECT_TRUE(versioning("<Status>Suspended</Status>"));
    EXPECT_FALSE(versioning(""));
}

TEST(S3Replies, ReadAnErrorAsS3AndAsStsWriteIt) {
    const auto s3 = parse_error(
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong region</Message>"
        "<Region>eu-west-1</Region><RequestId>r1</RequestId></Error>");
    ASSERT_TRUE(s3);
    EXPECT_EQ(s3->code, "AuthorizationHeaderMalformed");
    EXPECT_EQ(s3->region, "eu-west-1");
    EXPECT_EQ(s3->request_id, "r1");
    const auto sts = parse_error(
        "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>old</Message></Error>"
        "<RequestId>r2</RequestId></ErrorResponse>");
    ASSERT_TRUE(sts);
    EXPECT_EQ(sts->code, "ExpiredTokenException");
    EXPECT_EQ(sts->request_id, "r2");
    EXPECT_FALSE(parse_error("<html>no</html>"));
}

TEST(S3Replies, ReadTemporaryCredentials) {
    const auto role = parse_assumed_role(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<SessionToken>t</SessionToken><Expiration>2024-01-15T03:00:00Z</Expiration>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
    ASSERT_TRUE(role.ok()) << to_text(role.error());
    EXPECT_EQ(role->access_key_id, "ASIA");
    EXPECT_EQ(role->secret_access_key.reveal(), "s");
    EXPECT_EQ(role->session_token.reveal(), "t");
    EXPECT_EQ(to_iso8601(role->expires), "2024-01-15T03:00:00.000Z");
}

TEST(S3Replies, SayWhatCameInsteadOfXml) {
    for (const auto* body : {"<!DOCTYPE html><html><body>Sign in</body></html>", "", "<", "{}"}) {
        const auto page = parse_objects(body);
        ASSERT_FALSE(page.ok()) << body;
        EXPECT_EQ(page.error().code, Code::store);
        EXPECT_THAT(page.error().fact, StartsWith("the answer is not S3's: "));
        EXPECT_THAT(page.error().hint, HasSubstr("S3_ENDPOINT_URL"));
    }
}

TEST(S3Replies, RefuseSizesAndTimesThatAreNone) {
    const auto with = [](const std::string& size, const std::string& time) {
        return parse_objects(
            fmt::format("<ListBucketResult><Contents><Key>a</Key><Size>{}</Size>"
                        "<LastModified>{}</LastModified></Contents>"
                        "</ListBucketResult>",
                        size, time));
    };
    EXPECT_TRUE(with("1", "2024-01-15T02:00:00.000Z").ok());
    EXPECT_FALSE(with("-1", "2024-01-15T02:00:00.000Z").ok());
    EXPECT_FALSE(with("99999999999999999999", "2024-01-15T02:00:00.000Z").ok());
    EXPECT_FALSE(with("1", "yesterday").ok());
}

}  // namespace
}  // namespace asb::s3
