#include "store/s3/client.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr auto kOnce = "the-mark-of-this-write";

remote::WriteOptions once() {
    return {.once = true, .mark = kOnce, .kind = remote::WriteOptions::Kind::data};
}

Status put(Scripted& s3) {
    return s3.client().put("a", as_bytes("text"), once());
}

bool is(const Asked& asked, std::string_view method) {
    return asked.line.substr(0, method.size()) == method;
}

std::string found(std::string_view mark, std::string_view more = {}) {
    return fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"e\"\r\n"
        "x-amz-meta-asb-mark: {}\r\n{}\r\n",
        mark, more);
}

TEST(S3Client, WaitsForAStoreThatIsBusy) {
    Scripted s3([](const Asked&, int number) {
        return number < 3 ? error_reply("503 Slow Down", "SlowDown") : reply("");
    });
    EXPECT_TRUE(put(s3).ok());
    EXPECT_THAT(s3.lines(),
                ElementsAre("PUT /backups/p/a", "PUT /backups/p/a", "PUT /backups/p/a"));
}

TEST(S3Client, GivesUpAfterAllTriesAndSaysWhy) {
    Scripted s3([](const Asked&, int) { return error_reply("503 Slow Down", "SlowDown"); });
    const auto status = put(s3);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::store);
    EXPECT_EQ(status.error().fact,
              "cannot write s3://backups/p/a: SlowDown: of the test (request R1)");
    EXPECT_EQ(s3.lines().size(), 5U);
}

TEST(S3Client, SaysWhichObjectALostConnectionWasAbout) {
    Scripted s3([](const Asked&, int) { return std::string(); });
    const auto status = put(s3);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::store);
    EXPECT_THAT(status.error().fact, HasSubstr(" s3://backups/p/a: 127.0.0.1:"));
    EXPECT_THAT(status.error().hint, HasSubstr("look into the server's log"));
}

TEST(S3Client, LooksBeforeItWritesAgainAfterALostReply) {
    Scripted s3(
        [](const Asked& asked, int) { return is(asked, "HEAD") ? found(kOnce) : std::string(); });
    EXPECT_TRUE(put(s3).ok());
    EXPECT_THAT(s3.lines(), ElementsAre("PUT /backups/p/a", "HEAD /backups/p/a"));
}

TEST(S3Client, WritesAgainWhenTheLostTryLeftNothing) {
    Scripted s3([](const Asked& asked, int number) {
        if (is(asked, "HEAD")) return reply("", "404 Not Found");
        return number == 1 ? std::string() : reply("");
    });
    EXPECT_TRUE(put(s3).ok());
    EXPECT_THAT(s3.lines(),
                ElementsAre("PUT /backups/p/a", "HEAD /backups/p/a", "PUT /backups/p/a"));
}

TEST(S3Client, KnowsItsOwnObjectByItsMark) {
    for (const auto& [mark, code] : std::vector<std::pair<std::string, std::string>>{
             {kOnce, ""}, {"of-somebody-else", "busy"}}) {
        Scripted s3([&, &mark = mark](const Asked& asked, int) {
            return is(asked, "HEAD") ? found(mark)
                                     : error_reply("412 Precondition Failed", "PreconditionFailed");
        });
        const auto status = put(s3);
        EXPECT_EQ(status.ok() ? "" : code_name(status.error().code), code);
    }
}

TEST(S3Client, SendsWithEachWriteWhatProtectsIt) {
    Scripted s3([](const Asked&, int) { return reply(""); }, {.storage_class = "STANDARD_IA",
                                                              .encryption = "aws:kms",
                                                              .kms_key_id = "key",
                                                              .lock_mode = "COMPLIANCE",
                                                              .lock_days = 30,
                                                              .legal_hold = true});
    ASSERT_TRUE(put(s3).ok());
    EXPECT_EQ(s3.header(1, "if-none-match"), "*");
    EXPECT_EQ(s3.header(1, "x-amz-meta-asb-mark"), kOnce);
    EXPECT_EQ(s3.header(1, "x-amz-checksum-sha256"),
              "mC2ePrmW9VnmM/TRlN7zdh2Qn1o7ZH0ahR/q1nwyydE=");
    EXPECT_EQ(s3.header(1, "x-amz-storage-class"), "STANDARD_IA");
    EXPECT_EQ(s3.header(1, "x-amz-server-side-encryption"), "aws:kms");
    EXPECT_EQ(s3.header(1, "x-amz-server-side-encryption-aws-kms-key-id"), "key");
    EXPECT_EQ(s3.header(1, "x-amz-object-lock-mode"), "COMPLIANCE");
    EXPECT_EQ(s3.header(1, "x-amz-object-lock-legal-hold"), "ON");
    const auto until = parse_iso8601(s3.header(1, "x-amz-object-lock-retain-until-date"));
    ASSERT_TRUE(until.ok());
    EXPECT_GT(*until, now() + std::chrono::hours(24 * 30 - 1));
    EXPECT_LT(*until, now() + std::chrono::hours(24 * 30 + 1));
}

TEST(S3Client, LocksNoLease) {
    Scripted s3([](const Asked&, int) { return reply(""); }, {.storage_class = "STANDARD_IA",
                                                              .encryption = "AES256",
                                                              .lock_mode = "COMPLIANCE",
                                                              .lock_days = 30,
                                                              .legal_hold = true});
    ASSERT_TRUE(s3.client()
                    .put(".writing/a", {},
                         {.once = false, .mark = "m", .kind = remote::WriteOptions::Kind::lease})
                    .ok());
    for (const auto* name : {"x-amz-storage-class", "x-amz-object-lock-mode",
                             "x-amz-object-lock-legal-hold", "if-none-match"})
        EXPECT_EQ(s3.header(1, name), "") << name;
    EXPECT_EQ(s3.header(1, "x-amz-server-side-encryption"), "AES256");
}

TEST(S3Client, GoesToTheRegionThatTheStoreNames) {
    Scripted s3([](const Asked& asked, int) {
        const bool is_right =
            asked.headers.get("authorization").find("/eu-west-1/s3/") != std::string_view::npos;
        return is_right ? reply("")
                        : error_reply("400 Bad Request", "AuthorizationHeaderMalformed",
                                      "<Region>eu-west-1</Region>");
    });
    EXPECT_TRUE(put(s3).ok());
    EXPECT_TRUE(put(s3).ok());
    EXPECT_EQ(s3.lines().size(), 3U);  // the second write knows where to go
}

TEST(S3Client, FollowsARedirectToARegionOnlyOnce) {
    Scripted s3([](const Asked&, int number) {
        return reply_with("301 Moved Permanently",
                          fmt::format("x-amz-bucket-region: eu-west-{}", number));
    });
    const auto status = put(s3);
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().hint, HasSubstr("AWS_REGION=eu-west-2"));
    EXPECT_EQ(s3.lines().size(), 2U);
}

TEST(S3Client, SignsByTheStoresClockWhenItsOwnIsWrong) {
    Scripted s3([](const Asked& asked, int) {
        const bool is_right = asked.headers.get("x-amz-date").substr(0, 8) == "20300115";
        return is_right ? reply("")
                        : reply_with("403 Forbidden", "Date: Tue, 15 Jan 2030 02:00:00 GMT",
                                     "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    });
    EXPECT_TRUE(put(s3).ok());
    EXPECT_EQ(to_iso8601(s3.client().store_time()).substr(0, 10), "2030-01-15");
    EXPECT_EQ(s3.lines().size(), 2U);
}

TEST(S3Client, RenewsCredentialsOnceWhenTheyHaveExpired) {
    for (const auto* code : {"ExpiredToken", "InvalidToken", "InvalidTokenId",
                             "InvalidClientTokenId", "TokenRefreshRequired"}) {
        Scripted s3([&](const Asked& asked, int) {
            const bool is_fresh =
                asked.headers.get("authorization").find("key-2/") != std::string_view::npos;
            return is_fresh ? reply("") : error_reply("400 Bad Request", code);
        });
        EXPECT_TRUE(put(s3).ok()) << code;
    }
    Scripted never(
        [](const Asked&, int) { return error_reply("400 Bad Request", "ExpiredToken"); });
    EXPECT_FALSE(put(never).ok());
    EXPECT_EQ(never.lines().size(), 2U);
}

TEST(S3Client, AsksWithGetWhyAHeadWasRefused) {
    Scripted s3([](const Asked& asked, int) {
        return is(asked, "HEAD") ? reply("", "403 Forbidden")
                                 : error_reply("403 Forbidden", "AccessDenied");
    });
    const auto looked = s3.client().look("a");
    ASSERT_FALSE(looked.ok());
    EXPECT_EQ(looked.error().fact,
              "cannot look at s3://backups/p/a: AccessDenied: of the test (request R1)");
    EXPECT_EQ(looked.error().hint,
              "allow s3:GetObject on arn:aws:s3:::backups/p/* to the test, and look for a bucket "
              "policy that denies it");
}

TEST(S3Client, SaysWhatToDoAboutEachRefusal) {
    const std::vector<std::pair<std::string, std::string>> refusals = {
        {"NoSuchBucket", "aws s3 mb s3://backups"},
        {"InvalidAccessKeyId", "does not know the access key of the test"},
        {"SignatureDoesNotMatch", "the secret of the test"},
        {"InvalidStorageClass", "S3_STORAGE_CLASS"},
        {"KMS.NotFoundException", "S3_SSE_KMS_KEY_ID"},
        {"InvalidObjectState", "restore-object"},
        {"AccessDenied", "allow s3:PutObject on arn:aws:s3:::backups/p/*"},
    };
    for (const auto& [code, hint] : refusals) {
        Scripted s3(
            [&, &code = code](const Asked&, int) { return error_reply("403 Forbidden", code); });
        const auto status = put(s3);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, Code::store);
        EXPECT_THAT(status.error().hint, HasSubstr(hint));
        EXPECT_EQ(s3.lines().size(), 1U) << code;
    }
}

TEST(S3Client, TellsAFullStoreFromAnyOther) {
    Scripted s3([](const Asked&, int) {
        return error_reply("507 Insufficient Storage", "XMinioStorageFull");
    });
    EXPECT_EQ(put(s3).error().code, Code::space);
}

TEST(S3Client, SaysThatAPageOfAProxyIsNotS3sAnswer) {
    Scripted s3([](const Asked&, int) {
        return reply("<!DOCTYPE html><html>Sign in</html>", "403 Forbidden");
    });
    const auto refused = put(s3);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().fact, "cannot write s3://backups/p/a: the store answered 403");
    EXPECT_THAT(refused.error().hint, HasSubstr("not S3's answer: look at S3_ENDPOINT_URL"));
    Scripted login([](const Asked&, int) { return reply("<html>Sign in</html>"); });
    EXPECT_THAT(login.client().list("", "").error().fact,
                HasSubstr("cannot list the objects below s3://backups/p: the answer is not S3's"));
    EXPECT_FALSE(put(login).ok());
    EXPECT_FALSE(login.client().remove({"a"}, false).ok());
}

TEST(S3Client, HasAHintForWhatNoStoreShouldRefuse) {
    Scripted s3([](const Asked&, int) { return error_reply("400 Bad Request", "Unheard"); });
    EXPECT_THAT(put(s3).error().hint, HasSubstr("S3_ENDPOINT_URL"));
}

TEST(S3Client, ReadsExactlyTheRangeOfExactlyTheVersion) {
    Scripted s3([](const Asked&, int) {
        return reply_with("206 Partial Content", "Content-Range: bytes 2-5/9", "cdef");
    });
    std::string out(4, ' ');
    const auto into = std::as_writable_bytes(std::span(out.data(), out.size()));
    ASSERT_TRUE(s3.client().read("a", "\"tag\"", 2, into).ok());
    EXPECT_EQ(out, "cdef");
    EXPECT_EQ(s3.header(1, "range"), "bytes=2-5");
    EXPECT_EQ(s3.header(1, "if-match"), "\"tag\"");
    ASSERT_TRUE(s3.client().read("a", "v1", 2, into).ok());
    EXPECT_EQ(s3.lines().back(), "GET /backups/p/a?versionId=v1");
}

TEST(S3Client, TakesNoOtherRangeThanItAskedFor) {
    std::string answer;
    Scripted s3([&](const Asked&, int) { return answer; });
    std::string out(4, ' ');
    const auto read = [&] {
        return s3.client()
            .read("a", "\"tag\"", 2, std::as_writable_bytes(std::span(out.data(), out.size())))
            .error()
            .code;
    };
    answer = reply_with("206 Partial Content", "Content-Range: bytes 2-3/4", "cd");
    EXPECT_EQ(read(), Code::damaged);
    answer = reply("abcd");
    EXPECT_EQ(read(), Code::store);
    answer = error_reply("416 Range Not Satisfiable", "InvalidRange");
    EXPECT_EQ(read(), Code::damaged);
    answer = error_reply("412 Precondition Failed", "PreconditionFailed");
    EXPECT_EQ(read(), Code::damaged);
    answer = error_reply("404 Not Found", "NoSuchKey");
    EXPECT_EQ(read(), Code::not_found);
    answer = error_reply("404 Not Found", "NoSuchBucket");
    EXPECT_EQ(read(), Code::store);
}

// One upload of two parts, whose completion is answered by `complete`.
Status upload(Scripted& s3) {
    auto started = s3.client().begin_upload("a", once());
    if (!started) return std::move(started.error());
    ASB_CHECK((*started)->put_part(0, as_bytes("te"), false));
    ASB_CHECK((*started)->put_part(1, as_bytes("xt"), true));
    return (*started)->complete(2, 4);
}

std::string answer_parts(const Asked& asked, const std::function<std::string()>& complete) {
    if (is(asked, "POST") && asked.line.find("?uploads") != std::string::npos)
        return reply(
            "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
            "</InitiateMultipartUploadResult>");
    if (is(asked, "PUT")) return reply_with("200 OK", "ETag: \"part\"");
    if (is(asked, "DELETE")) return reply("", "204 No Content");
    if (is(asked, "POST")) return complete();
    return found(kOnce);
}

TEST(S3Upload, SendsAndNamesTheDigestOfEachPart) {
    Scripted s3([](const Asked& asked, int) {
        return answer_parts(asked, [] { return reply("<CompleteMultipartUploadResult/>"); });
    });
    const auto status = upload(s3);
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_EQ(s3.header(1, "x-amz-checksum-algorithm"), "SHA256");
    EXPECT_EQ(s3.header(4, "if-none-match"), "*");
    EXPECT_THAT(s3.body(4), HasSubstr(fmt::format("<ChecksumSHA256>{}</ChecksumSHA256>",
                                                  s3.header(2, "x-amz-checksum-sha256"))));
    EXPECT_THAT(s3.lines(), Not(testing::Contains("DELETE /backups/p/a?uploadId=u")));
}

TEST(S3Upload, CompletesAgainAfterAnErrorWithStatus200) {
    std::atomic<int> completed = 0;
    Scripted s3([&](const Asked& asked, int) {
        if (is(asked, "HEAD") && completed == 1) return reply("", "404 Not Found");
        return answer_parts(asked, [&] {
            return ++completed == 1 ? error_reply("200 OK", "InternalError")
                                    : reply("<CompleteMultipartUploadResult/>");
        });
    });
    const auto status = upload(s3);
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_EQ(completed, 2);
}

// libcurl itself sends again what got no byte of an answer on a connection that it used before: so
// the store may say that there is no such upload to the first try that we know of.
TEST(S3Upload, IsCompleteWhenATryWithoutAReplyCompletedIt) {
    for (const bool has_reply : {true, false}) {
        std::atomic<int> completed = 0;
        Scripted s3([&](const Asked& asked, int) {
            return answer_parts(asked, [&] {
                return ++completed == 1 && !has_reply
                           ? std::string()
                           : error_reply("404 Not Found", "NoSuchUpload");
            });
        });
        const auto status = upload(s3);
        ASSERT_TRUE(status.ok()) << to_text(status.error());
    }
}

TEST(S3Upload, SaysThatTheStoreForgotIt) {
    Scripted s3([&](const Asked& asked, int) {
        if (is(asked, "HEAD")) return reply("", "404 Not Found");
        return answer_parts(asked, [] { return error_reply("404 Not Found", "NoSuchUpload"); });
    });
    const auto status = upload(s3);
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().hint, HasSubstr("forgotten the unfinished upload"));
}

TEST(S3Upload, FindsOutThatTheStoreHasOtherBytes) {
    Scripted s3([&](const Asked& asked, int) {
        if (is(asked, "HEAD"))
            return found(kOnce,
                         "x-amz-checksum-sha256: mC2eL+rckoeGysRFbURITpaJ8NpGkIH4vfPfzNjibPo=-2"
                         "\r\n");
        return answer_parts(asked, [] { return reply("<CompleteMultipartUploadResult/>"); });
    });
    const auto status = upload(s3);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::damaged);
}

TEST(S3Upload, ForgetsItsPartsWhenItIsAbandoned) {
    Scripted s3(
        [](const Asked& asked, int) { return answer_parts(asked, [] { return std::string(); }); });
    s3.client().begin_upload("a", once())->reset();
    EXPECT_THAT(s3.lines(),
                ElementsAre("POST /backups/p/a?uploads=", "DELETE /backups/p/a?uploadId=u"));
}

TEST(S3Upload, IsAbandonedAlthoughAStopWasRequested) {
    Scripted s3(
        [](const Asked& asked, int) { return answer_parts(asked, [] { return std::string(); }); });
    auto started = s3.client().begin_upload("a", once());
    ASSERT_TRUE(started.ok());
    s3.stop.request();
    EXPECT_EQ((*started)->put_part(0, as_bytes("te"), true).error().code, Code::interrupted);
    started->reset();
    EXPECT_EQ(s3.lines().back(), "DELETE /backups/p/a?uploadId=u");
}

}  // namespace
}  // namespace asb::s3
