#include "store/gcs/reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "store/gcs/service.hpp"

namespace asb::gcs {
namespace {

using testing::HasSubstr;

constexpr const char* kObject = R"({"kind": "storage#object", "name": "auth/a.json", "size": "12",
    "generation": "1700000000123456", "timeCreated": "2024-01-15T02:00:00.123Z",
    "crc32c": "4waSgw==", "metadata": {"asb-mark": "mark-1", "other": "x"}})";

TEST(GcsReply, ReadsAnObject) {
    const auto object = parse_object(kObject);
    ASSERT_TRUE(object.ok()) << to_text(object.error());
    EXPECT_EQ(object->name, "auth/a.json");
    EXPECT_EQ(object->size, 12U);
    EXPECT_EQ(object->generation, "1700000000123456");
    EXPECT_EQ(to_iso8601(object->created), "2024-01-15T02:00:00.123Z");
    EXPECT_EQ(object->deleted, std::nullopt);
    EXPECT_EQ(object->crc32c, 0xe3069283U);
    EXPECT_EQ(object->mark, "mark-1");
}

TEST(GcsReply, KnowsWhenAGenerationWasLive) {
    ObjectReply object;
    object.created = *parse_iso8601("2024-01-15T02:00:00.000Z");
    const auto later = object.created + std::chrono::hours(1);
    EXPECT_FALSE(object.was_live_at(object.created - std::chrono::milliseconds(1)));
    EXPECT_TRUE(object.was_live_at(object.created));
    EXPECT_TRUE(object.was_live_at(later));
    object.deleted = later;
    EXPECT_TRUE(object.was_live_at(later - std::chrono::milliseconds(1)));
    EXPECT_FALSE(object.was_live_at(later));
}

TEST(GcsReply, ReadsAPage) {
    const auto page =
        parse_page(std::string(R"({"nextPageToken": "next", "items": [)") + kObject + "]}");
    ASSERT_TRUE(page.ok()) << to_text(page.error());
    EXPECT_EQ(page->next, "next");
    ASSERT_EQ(page->objects.size(), 1U);
    EXPECT_EQ(page->objects.front().name, "auth/a.json");
    const auto empty = parse_page(R"({"kind": "storage#objects"})");
    ASSERT_TRUE(empty.ok());
    EXPECT_TRUE(empty->objects.empty());
    EXPECT_EQ(empty->next, "");
}

TEST(GcsReply, RefusesWhatIsNoneOfGoogles) {
    for (const char* body :
         {"", "[]", "<html></html>", "{", R"({"items": {}})", R"({"items": [1]})",
          R"({"items": [{"name": "a", "size": "x", "generation": "1"}]})"}) {
        const auto page = parse_page(body);
        ASSERT_FALSE(page.ok()) << body;
        EXPECT_EQ(page.error().code, Code::store);
        EXPECT_THAT(page.error().fact, HasSubstr("is not one of Google Cloud Storage"));
    }
    EXPECT_FALSE(parse_token(R"({"access_token": "a\nb", "expires_in": 5})").ok());
    EXPECT_FALSE(parse_token(R"({"expires_in": 5})").ok());
}

TEST(GcsReply, TakesALifeOfATokenWithinADay) {
    EXPECT_EQ(parse_token(R"({"access_token": "a", "expires_in": 99999999999})")->life.count(),
              86'400);
    EXPECT_EQ(parse_token(R"({"access_token": "a", "expires_in": -5})")->life.count(), 0);
    EXPECT_EQ(parse_token(R"({"access_token": "a"})")->life.count(), 0);
}

TEST(GcsReply, ReadsHowFarAnUploadCame) {
    EXPECT_EQ(parse_persisted(""), 0U);
    EXPECT_EQ(parse_persisted("bytes=0-0"), 1U);
    EXPECT_EQ(parse_persisted("bytes=0-262143"), 262'144U);
    for (const char* text : {"bytes=1-2", "bytes=0-", "bytes=0-x", "0-5",
                             "bytes=0-18446744073709551615", "bytes=0--1"})
        EXPECT_EQ(parse_persisted(text), std::nullopt) << text;
}

TEST(GcsReply, ReadsAContentRange) {
    const auto range = parse_content_range("bytes 5-9/200");
    ASSERT_TRUE(range.has_value());
    EXPECT_EQ(range->first, 5U);
    EXPECT_EQ(range->last, 9U);
    EXPECT_EQ(range->total, 200U);
    for (const char* text : {"", "bytes */200", "bytes 9-5/200", "bytes 0-200/200", "bytes 0-1/*",
                             "bytes 0-1", "5-9/200"})
        EXPECT_FALSE(parse_content_range(text).has_value()) << text;
}

HttpReply refused(int status, const std::string& reason, const std::string& message) {
    HttpReply reply;
    reply.status = status;
    reply.body = fmt::format(
        R"({{"error": {{"code": {}, "message": "{}", "errors": [{{"reason": "{}"}}]}}}})", status,
        message, reason);
    reply.headers.add("X-GUploader-UploadID", "upload-id");
    return reply;
}

Error error_for(const HttpReply& reply) {
    return error_of(reply, {"cannot write", "gs://backups/auth/a", "storage.objects.create"});
}

TEST(GcsErrors, NameThePermissionThatIsMissing) {
    const auto error = error_for(refused(
        403, "forbidden", "a@b does not have storage.objects.delete access to the object."));
    EXPECT_EQ(error.code, Code::store);
    EXPECT_EQ(error.fact,
              "cannot write gs://backups/auth/a: Google Cloud Storage answered 403, forbidden, a@b "
              "does not have storage.objects.delete access to the object. (request upload-id)");
    EXPECT_EQ(error.hint,
              "grant storage.objects.delete on gs://backups: roles/storage.objectUser has it");
    EXPECT_THAT(error_for(refused(403, "forbidden", "Forbidden")).hint,
                HasSubstr("storage.objects.create"));
}

TEST(GcsErrors, NameTheBucketThatIsMissing) {
    const auto error = error_for(refused(404, "notFound", "The specified bucket does not exist."));
    EXPECT_EQ(error.fact,
              "cannot write gs://backups/auth/a: there is no bucket backups (request upload-id)");
    EXPECT_THAT(error.hint, HasSubstr("gcloud storage buckets create gs://backups"));
}

TEST(GcsErrors, TellLocksQuotasAndBillingApart) {
    const auto kept = error_for(refused(403, "retentionPolicyNotMet", "until 2030"));
    EXPECT_EQ(kept.code, Code::refused);
    EXPECT_TRUE(is_kept(refused(403, "objectUnderActiveHold", "")));
    EXPECT_TRUE(is_kept(refused(403, "forbidden", "Object 'a' is under active Event-Based hold")));
    EXPECT_FALSE(is_kept(refused(403, "forbidden", "Forbidden")));
    EXPECT_FALSE(is_kept(refused(404, "retentionPolicyNotMet", "")));
    EXPECT_EQ(error_for(refused(403, "quotaExceeded", "")).code, Code::space);
    EXPECT_THAT(error_for(refused(403, "accountDisabled", "")).hint, HasSubstr("billing"));
}

TEST(GcsErrors, KnowWhatPasses) {
    EXPECT_TRUE(is_passing(refused(503, "backendError", "")));
    EXPECT_TRUE(is_passing(refused(403, "userRateLimitExceeded", "")));
    EXPECT_FALSE(is_passing(refused(403, "forbidden", "")));
    EXPECT_TRUE(error_for(refused(429, "rateLimitExceeded", "")).retryable);
}

TEST(GcsErrors, SayThatSomethingElseAnswered) {
    HttpReply page;
    page.status = 403;
    page.body = "<html>\x01</html>";
    const auto error = error_for(page);
    EXPECT_EQ(error.fact, "cannot write gs://backups/auth/a: Google Cloud Storage answered 403");
    EXPECT_THAT(error.hint, HasSubstr("no answer of Google Cloud Storage"));
}

}  // namespace
}  // namespace asb::gcs
