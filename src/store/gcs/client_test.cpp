#include "store/gcs/client.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "store/gcs/client_fixture.hpp"

namespace asb::gcs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class GcsClient : public ClientTest {};

TEST_F(GcsClient, PutsAndFindsAnObject) {
    ASSERT_TRUE(client()->put("a", as_bytes("123456789"), {.once = true, .mark = "mark"}).ok());
    EXPECT_EQ(stored("a"), "123456789");
    const auto found = client()->look("a");
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ((*found)->name, "a");
    EXPECT_EQ((*found)->size, 9U);
    EXPECT_EQ((*found)->version, "1000");
    EXPECT_EQ((*found)->checksum, "crc32c:e3069283");
    EXPECT_EQ((*found)->mark, "mark");
    EXPECT_EQ(*client()->get("a", 9), "123456789");
    EXPECT_FALSE(client()->look("b")->has_value());
}

TEST_F(GcsClient, KnowsItsOwnObjectAfterALostReply) {
    lose_reply("POST", "uploadType=multipart");
    ASSERT_TRUE(client()->put("a", as_bytes("text"), {.once = true, .mark = "mark"}).ok());
    EXPECT_THAT(service_.log(), ElementsAre("POST /upload/storage/v1/b/backups/o",
                                            "POST /upload/storage/v1/b/backups/o",
                                            "GET /storage/v1/b/backups/o/auth%2Fa"));
}

TEST_F(GcsClient, LeavesTheObjectOfAnotherWriter) {
    ASSERT_TRUE(client()->put("a", as_bytes("theirs"), {.once = true, .mark = "other"}).ok());
    const auto status = client()->put("a", as_bytes("ours"), {.once = true, .mark = "mark"});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::busy);
    EXPECT_EQ(status.error().fact, "gs://backups/auth/a exists already");
    const auto parts = client()->begin_upload("a", {.once = true, .mark = "other"});
    ASSERT_FALSE(parts.ok());
    EXPECT_EQ(parts.error().code, Code::busy);
    EXPECT_EQ(stored("a"), "theirs");
}

TEST_F(GcsClient, ReplacesAnObjectWhenItMay) {
    ASSERT_TRUE(client()->put("a", as_bytes("old"), {.once = false, .mark = "1"}).ok());
    service_.objects.clear();
    ASSERT_TRUE(client()->put("a", as_bytes("new"), {.once = false, .mark = "2"}).ok());
    EXPECT_EQ(stored("a"), "new");
}

TEST_F(GcsClient, RemovesWhatTheStoreMadeWrong) {
    service_.after = [](const TestRequest& request, TestReply& reply) {
        if (!request.is("POST", "multipart")) return;
        auto body = Json::parse(reply.body);
        body["crc32c"] = "AAAAAA==";
        reply.body = body.dump();
    };
    const auto status = client()->put("a", as_bytes("text"), {.once = true, .mark = "mark"});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::damaged);
    EXPECT_EQ(stored("a"), "<none>");
}

TEST_F(GcsClient, TriesAgainWhatPasses) {
    fail_once("GET", "/o/auth%2Fa", {.status = 503, .headers = {{"Retry-After", "0"}}});
    EXPECT_TRUE(client()->look("a").ok());
    EXPECT_EQ(service_.log().size(), 2U);
}

TEST_F(GcsClient, GivesUpWithWhatTheServiceSaid) {
    service_.before = [](TestRequest&) -> std::optional<TestReply> {
        return TestReply{.status = 503,
                         .headers = {{"X-GUploader-UploadID", "id-1"}},
                         .body = R"({"error": {"message": "Backend Error"}})"};
    };
    const auto found = client()->look("a");
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(service_.log().size(), 4U);
    EXPECT_EQ(
        to_text(found.error()),
        "cannot look at gs://backups/auth/a: Google Cloud Storage answered 503, Backend Error "
        "(request id-1)\nhint: Google Cloud Storage is busy or has a fault: try again later");
}

TEST_F(GcsClient, GetsANewTokenWhenTheOldOneIsNotTakenAnyMore) {
    credentials_ = AuthorizedUser{.client_id = "id",
                                  .client_secret = Secret("client-secret"),
                                  .refresh_token = Secret("refresh-token"),
                                  .token_uri = service_.endpoint() + "/token"};
    service_.before = [tokens = 0](TestRequest& request) mutable -> std::optional<TestReply> {
        if (request.is("POST", "/token"))
            return TestReply{
                .body =
                    fmt::format(R"({{"access_token": "token-{}", "expires_in": 3600}})", ++tokens)};
        if (request.header("authorization") != "Bearer token-2") return TestReply{.status = 401};
        return std::nullopt;
    };
    const auto with = client();
    EXPECT_TRUE(with->look("a").ok());
    EXPECT_TRUE(with->look("a").ok());
    EXPECT_THAT(service_.log(), ElementsAre("POST /token", "GET /storage/v1/b/backups/o/auth%2Fa",
                                            "POST /token", "GET /storage/v1/b/backups/o/auth%2Fa",
                                            "GET /storage/v1/b/backups/o/auth%2Fa"));
    service_.before = [](TestRequest& request) -> std::optional<TestReply> {
        if (request.is("POST", "/token"))
            return TestReply{.body = R"({"access_token": "token-3", "expires_in": 3600})"};
        return TestReply{.status = 401};
    };
    const auto refused = with->look("a");
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(to_text(refused.error()), HasSubstr("this machine's clock"));
    EXPECT_THAT(to_text(refused.error()), Not(HasSubstr("token-")));
}

TEST_F(GcsClient, ListsPageAfterPage) {
    for (const char* name : {"auth/a", "auth/b", "auth/c", "authority", "other/a"})
        service_.objects.emplace(name, TestObject{.bytes = "x", .generation = 1});
    const auto with = client();
    const auto first = with->list("", "");
    ASSERT_TRUE(first.ok()) << to_text(first.error());
    ASSERT_EQ(first->found.size(), 2U);
    EXPECT_EQ(first->found[0].name, "a");
    EXPECT_EQ(first->found[1].name, "b");
    const auto second = with->list("", first->next);
    ASSERT_EQ(second->found.size(), 1U);
    EXPECT_EQ(second->found[0].name, "c");
    EXPECT_EQ(second->next, "");
}

TEST_F(GcsClient, LooksBackToWhatWasThere) {
    service_.objects.emplace("auth/a", TestObject{.bytes = "old",
                                                  .generation = 1,
                                                  .mark = "",
                                                  .created = "2024-01-01T00:00:00Z",
                                                  .deleted = "2024-01-03T00:00:00Z"});
    service_.objects.emplace("auth/a", TestObject{.bytes = "newer",
                                                  .generation = 2,
                                                  .mark = "",
                                                  .created = "2024-01-03T00:00:00Z",
                                                  .deleted = ""});
    const auto then =
        make_client(options("gs://backups/auth?at=2024-01-02T00:00:00Z"), StopToken());
    const auto page = then->list("", "");
    ASSERT_EQ(page->found.size(), 1U);
    EXPECT_EQ(page->found[0].version, "1");
    EXPECT_EQ(then->look("a").value()->size, 3U);
    EXPECT_EQ(*then->get("a", 10), "old");
    EXPECT_EQ(*client()->get("a", 10), "newer");
    const auto before =
        make_client(options("gs://backups/auth?at=2023-01-01T00:00:00Z"), StopToken());
    EXPECT_THAT(before->list("", "")->found, IsEmpty());
    EXPECT_EQ(before->get("a", 10).error().code, Code::not_found);
}

TEST_F(GcsClient, ReadsExactlyTheRange) {
    ASSERT_TRUE(client()->put("a", as_bytes("0123456789"), {.once = true, .mark = "m"}).ok());
    std::string out(4, '\0');
    const auto bytes = std::as_writable_bytes(std::span(out.data(), out.size()));
    ASSERT_TRUE(client()->read("a", "1000", 3, bytes).ok());
    EXPECT_EQ(out, "3456");
    EXPECT_EQ(client()->read("a", "1000", 8, bytes).error().code, Code::damaged);
    EXPECT_EQ(client()->read("a", "1000", 10, bytes).error().code, Code::damaged);
    EXPECT_EQ(client()->read("a", "999", 0, bytes).error().code, Code::not_found);
    EXPECT_EQ(*client()->get("a", 10), "0123456789");
    EXPECT_EQ(client()->get("a", 9).error().code, Code::damaged);
}

TEST_F(GcsClient, TakesNoPageForTheObject) {
    service_.before = [](TestRequest&) -> std::optional<TestReply> {
        return TestReply{.body = "<html></html>"};
    };
    std::string out(100, '\0');
    const auto bytes = std::as_writable_bytes(std::span(out.data(), out.size()));
    const auto status = client()->read("a", "1000", 0, bytes);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::store);
    EXPECT_EQ(status.error().fact,
              "cannot read gs://backups/auth/a: the reply is not the range that was asked for");
}

TEST_F(GcsClient, NoticesThatAnObjectArrivedChanged) {
    ASSERT_TRUE(client()->put("a", as_bytes("text"), {.once = true, .mark = "m"}).ok());
    service_.after = [](const TestRequest&, TestReply& reply) {
        if (reply.status == 206) reply.body.front() ^= 1;
    };
    const auto text = client()->get("a", 10);
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.error().code, Code::damaged);
}

TEST_F(GcsClient, RemovesEachGenerationWhereVersionsAreKept) {
    service_.has_versions = true;
    for (const std::uint64_t generation : {1U, 2U, 3U})
        service_.objects.emplace(
            "auth/a", TestObject{.bytes = "x",
                                 .generation = generation,
                                 .mark = "",
                                 .created = "2024-01-01T00:00:00Z",
                                 .deleted = generation < 3 ? "2024-01-02T00:00:00Z" : ""});
    service_.objects.emplace("auth/ab", TestObject{.bytes = "x", .generation = 4});
    const auto kept = client()->remove({"a", "missing"}, false);
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, IsEmpty());
    EXPECT_EQ(service_.objects.size(), 1U);
    EXPECT_EQ(stored("ab"), "x");
}

TEST_F(GcsClient, NamesWhatTheStoreKeeps) {
    for (int i = 0; i < 20; ++i)
        service_.objects.emplace(fmt::format("auth/{:02}", i),
                                 TestObject{.bytes = "x", .generation = 1});
    service_.before = [](TestRequest& request) -> std::optional<TestReply> {
        if (!request.is("DELETE", "auth%2F07")) return std::nullopt;
        return TestReply{.status = 403,
                         .body = R"({"error": {"errors": [{"reason": "retentionPolicyNotMet"}]}})"};
    };
    std::vector<std::string> names;
    names.reserve(20);
    for (int i = 0; i < 20; ++i) names.push_back(fmt::format("{:02}", i));
    const auto kept = client()->remove(names, false);
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, ElementsAre("07"));
    EXPECT_EQ(service_.objects.size(), 1U);
}

TEST_F(GcsClient, TidiesUpAlthoughAStopWasRequested) {
    service_.objects.emplace("auth/a", TestObject{.bytes = "x", .generation = 1});
    const StopToken stop;
    const auto with = make_client(options(), stop);
    stop.request();
    EXPECT_EQ(with->look("a").error().code, Code::interrupted);
    ASSERT_TRUE(with->remove({"a"}, true).ok());
    EXPECT_EQ(stored("a"), "<none>");
}

TEST_F(GcsClient, WritesHowItIsToBeKept) {
    auto with = options();
    with.keeping = {.storage_class = "NEARLINE",
                    .kms_key = "projects/p/key",
                    .event_based_hold = true,
                    .temporary_hold = true,
                    .retain_days = 30,
                    .is_retention_locked = true};
    std::string target;
    std::string body;
    service_.before = [&](TestRequest& request) -> std::optional<TestReply> {
        target = request.target;
        body = request.body;
        return std::nullopt;
    };
    const auto made = make_client(with, StopToken());
    ASSERT_TRUE(made->begin_upload("a", {.once = true, .mark = "m"}).ok());
    // The DELETE of the session that nobody completed came last.
    ASSERT_TRUE(made->put("b", as_bytes("x"), {.once = true, .mark = "m"}).ok());
    EXPECT_THAT(target, HasSubstr("&kmsKeyName=projects%2Fp%2Fkey"));
    EXPECT_THAT(target, HasSubstr("&ifGenerationMatch=0"));
    for (const char* part :
         {R"("storageClass":"NEARLINE")", R"("eventBasedHold":true)", R"("temporaryHold":true)",
          R"("retention":{"mode":"Locked","retainUntilTime":")", R"("asb-mark":"m")"})
        EXPECT_THAT(body, HasSubstr(part));
    ASSERT_TRUE(made->put("lease", as_bytes("x"),
                          {.once = false, .mark = "m", .kind = remote::WriteOptions::Kind::lease})
                    .ok());
    EXPECT_THAT(target, Not(HasSubstr("ifGenerationMatch")));
    for (const char* part : {"NEARLINE", R"("eventBasedHold":true)", "retention", "temporaryHold"})
        EXPECT_THAT(body, Not(HasSubstr(part)));
}

TEST_F(GcsClient, TellsBeforehandWhetherItMayWrite) {
    EXPECT_TRUE(check_writable(options(), StopToken()).ok());
    const auto missing = check_writable(options("gs://another-bucket"), StopToken());
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().fact,
              "cannot list gs://another-bucket: there is no bucket another-bucket");
    credentials_ = InstanceAccount{service_.endpoint().substr(7)};
    service_.before = [](TestRequest& request) -> std::optional<TestReply> {
        if (!request.is("GET", "/computeMetadata/")) return std::nullopt;
        return TestReply{.headers = {{"Metadata-Flavor", "Google"}},
                         .body = R"({"access_token": "t", "expires_in": 3600})"};
    };
    const auto denied = check_writable(options(), StopToken());
    ASSERT_FALSE(denied.ok());
    EXPECT_EQ(denied.error().fact,
              "cannot write gs://backups/auth: storage.objects.create is not granted");
    service_.permissions = {"storage.objects.create"};
    EXPECT_TRUE(check_writable(options(), StopToken()).ok());
    for (const auto& line : service_.log()) EXPECT_THAT(line, testing::StartsWith("GET "));
}

TEST_F(GcsClient, KnowsTheStoresClock) {
    service_.after = [](const TestRequest&, TestReply& reply) {
        reply.headers.emplace_back("Date", "Mon, 15 Jan 2024 02:00:00 GMT");
    };
    const auto with = client();
    EXPECT_LE(with->store_time() - now(), std::chrono::seconds(1));
    ASSERT_TRUE(with->look("a").ok());
    EXPECT_EQ(to_iso8601(with->store_time()).substr(0, 18), "2024-01-15T02:00:0");
}

}  // namespace
}  // namespace asb::gcs
