#include "store/s3/removal.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "store/s3/test_support.hpp"

namespace asb::s3 {
namespace {

using asb::test::Asked;
using asb::test::reply;
using test::error_reply;
using test::reply_with;
using test::Scripted;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

bool is(const Asked& asked, std::string_view method, std::string_view part = "") {
    return asked.line.substr(0, method.size()) == method &&
           asked.line.find(part) != std::string::npos;
}

std::string versioning(const std::string& status) {
    return reply(fmt::format("<VersioningConfiguration>{}</VersioningConfiguration>", status));
}

// Of the key p/a: a delete marker above one version.
std::string marker_above_version() {
    return reply(
        "<ListVersionsResult><DeleteMarker><Key>p/a</Key><VersionId>m</VersionId>"
        "<LastModified>2024-01-15T02:00:01.000Z</LastModified></DeleteMarker>"
        "<Version><Key>p/a</Key><VersionId>v</VersionId><Size>1</Size>"
        "<LastModified>2024-01-15T02:00:00.000Z</LastModified></Version></ListVersionsResult>");
}

std::string version_of_a_lease() {
    return reply(
        "<ListVersionsResult><Version><Key>p/.writing/a</Key><VersionId>v</VersionId>"
        "<Size>1</Size><LastModified>2024-01-15T02:00:00Z</LastModified></Version>"
        "</ListVersionsResult>");
}

TEST(S3Removal, DeletesManyInOneRequestWithItsDigest) {
    Scripted s3([](const Asked& asked, int) {
        return is(asked, "POST") ? reply("<DeleteResult/>") : versioning("");
    });
    const auto kept = s3.client().remove({"a", "b&c"}, false);
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, IsEmpty());
    EXPECT_THAT(s3.lines(), ElementsAre("GET /backups?versioning=", "POST /backups?delete="));
    EXPECT_EQ(s3.body(2),
              "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
              "<Object><Key>p/a</Key></Object><Object><Key>p/b&amp;c</Key></Object></Delete>");
    EXPECT_NE(s3.header(2, "x-amz-checksum-sha256"), "");
}

TEST(S3Removal, DeletesOneByOneWhereTheStoreCannotDeleteMany) {
    Scripted s3([](const Asked& asked, int) {
        if (is(asked, "POST")) return error_reply("501 Not Implemented", "NotImplemented");
        return is(asked, "DELETE") ? reply("", "204 No Content") : versioning("");
    });
    ASSERT_TRUE(s3.client().remove({"a", "b"}, false).ok());
    EXPECT_THAT(s3.lines(), Contains("DELETE /backups/p/a"));
    EXPECT_THAT(s3.lines(), Contains("DELETE /backups/p/b"));
}

TEST(S3Removal, AsksOnceWhetherTheBucketHasVersions) {
    Scripted s3([](const Asked& asked, int) {
        return is(asked, "DELETE") ? reply("", "204 No Content") : versioning("");
    });
    ASSERT_TRUE(s3.client().remove({"a"}, false).ok());
    ASSERT_TRUE(s3.client().remove({"b"}, false).ok());
    EXPECT_THAT(s3.lines(), ElementsAre("GET /backups?versioning=", "DELETE /backups/p/a",
                                        "DELETE /backups/p/b"));
}

TEST(S3Removal, DeletesPlainlyWhereItMaySeeNeitherVersioningNorVersions) {
    Scripted s3([](const Asked& asked, int) {
        return is(asked, "DELETE") ? reply("", "204 No Content")
                                   : error_reply("403 Forbidden", "AccessDenied");
    });
    ASSERT_TRUE(s3.client().remove({"a"}, false).ok());
    EXPECT_EQ(s3.lines().back(), "DELETE /backups/p/a");
}

TEST(S3Removal, LeavesTheMarkerAboveWhatIsLocked) {
    Scripted s3([](const Asked& asked, int) {
        if (is(asked, "GET", "?versioning")) return versioning("<Status>Enabled</Status>");
        if (is(asked, "GET", "?versions")) return marker_above_version();
        if (is(asked, "HEAD"))
            return std::string(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                "x-amz-object-lock-mode: COMPLIANCE\r\n"
                "x-amz-object-lock-retain-until-date: 2999-01-01T00:00:00Z\r\n\r\n");
        return error_reply("403 Forbidden", "AccessDenied");
    });
    const auto kept = s3.client().remove({"a"}, false);
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, ElementsAre("a"));
    EXPECT_THAT(s3.lines(), Contains("DELETE /backups/p/a?versionId=v"));
    EXPECT_THAT(s3.lines(), Not(Contains("DELETE /backups/p/a?versionId=m")));
}

TEST(S3Removal, DoesNotTakeADenialForALock) {
    Scripted s3([](const Asked& asked, int) {
        if (is(asked, "GET", "?versioning")) return versioning("");
        if (is(asked, "HEAD")) return std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
        return error_reply("403 Forbidden", "AccessDenied");
    });
    const auto kept = s3.client().remove({"a"}, false);
    ASSERT_FALSE(kept.ok());
    EXPECT_EQ(kept.error().code, Code::store);
    EXPECT_THAT(kept.error().hint, testing::HasSubstr("allow s3:DeleteObject on"));
}

TEST(S3Removal, NamesTheObjectsThatItMayNotDelete) {
    Scripted s3([](const Asked& asked, int) {
        return is(asked, "POST") ? error_reply("403 Forbidden", "AccessDenied") : versioning("");
    });
    const auto kept = s3.client().remove({"a", "b"}, false);
    ASSERT_FALSE(kept.ok());
    EXPECT_THAT(kept.error().hint, testing::HasSubstr("allow s3:DeleteObject and "
                                                      "s3:DeleteObjectVersion on "
                                                      "arn:aws:s3:::backups/p/* to"));
}

TEST(S3Removal, EndsALeaseThatTheBucketLocked) {
    Scripted s3([&](const Asked& asked, int) {
        if (is(asked, "GET", "?versioning")) return versioning("<Status>Enabled</Status>");
        if (is(asked, "GET", "?versions")) return version_of_a_lease();
        if (is(asked, "DELETE", "versionId")) return error_reply("403 Forbidden", "ObjectLocked");
        return reply("", "204 No Content");
    });
    const auto kept = s3.client().remove({".writing/a"}, false);
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, IsEmpty());
    EXPECT_EQ(s3.lines().back(), "DELETE /backups/p/.writing/a");
}

TEST(S3Removal, EndsALeaseWhoseVersionsItMayNotDelete) {
    Scripted s3([&](const Asked& asked, int) {
        if (is(asked, "GET", "?versioning")) return versioning("<Status>Enabled</Status>");
        if (is(asked, "GET", "?versions")) return version_of_a_lease();
        if (is(asked, "DELETE", "versionId") || is(asked, "HEAD"))
            return error_reply("403 Forbidden", "AccessDenied");
        return reply("", "204 No Content");
    });
    const auto kept = s3.client().remove({".writing/a"}, false);
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, IsEmpty());
    EXPECT_EQ(s3.lines().back(), "DELETE /backups/p/.writing/a");
}

TEST(S3Removal, ForgetsOnlyUploadsThatAreOldEnough) {
    Scripted s3([](const Asked& asked, int) {
        if (is(asked, "DELETE")) return reply("", "204 No Content");
        return reply(
            "<ListMultipartUploadsResult><Upload><Key>p/old</Key><UploadId>1</UploadId>"
            "<Initiated>2024-01-15T02:00:00Z</Initiated></Upload><Upload><Key>p/new</Key>"
            "<UploadId>2</UploadId><Initiated>2024-01-15T03:00:00Z</Initiated></Upload>"
            "</ListMultipartUploadsResult>");
    });
    const auto count = s3.client().abort_uploads(*parse_iso8601("2024-01-15T02:30:00.000Z"));
    ASSERT_TRUE(count.ok());
    EXPECT_EQ(*count, 1U);
    EXPECT_THAT(s3.lines(), Contains("DELETE /backups/p/old?uploadId=1"));
    EXPECT_THAT(s3.lines(), Not(Contains("DELETE /backups/p/new?uploadId=2")));
}

}  // namespace
}  // namespace asb::s3
