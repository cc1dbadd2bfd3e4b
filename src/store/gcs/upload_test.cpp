#include "store/gcs/upload.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "store/gcs/client_fixture.hpp"

namespace asb::gcs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kUnit = kChunkUnit;

std::string make_text(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (auto& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return text;
}

class GcsUpload : public ClientTest {
  protected:
    // Uploads `text` in parts; the error of the first step that fails.
    Status upload(const std::string& name, const std::string& text, bool completes = true) {
        const auto with = client();
        ASB_TRY(const auto parts, with->begin_upload(name, {.once = true, .mark = "mark"}));
        std::size_t number = 0;
        std::size_t at = 0;
        do {
            const auto count = std::min(kPartBytes, text.size() - at);
            const auto bytes = as_bytes(std::string_view(text).substr(at, count));
            at += count;
            ASB_CHECK(parts->put_part(number++, bytes, at == text.size()));
        } while (at < text.size());
        if (!completes) return {};
        return parts->complete(number, text.size());
    }
};

TEST_F(GcsUpload, UploadsInOrderAndMakesTheObjectLast) {
    const auto text = make_text(kPartBytes + kUnit + 5);
    ASSERT_TRUE(upload("a", text).ok());
    EXPECT_TRUE(stored("a") == text);
    EXPECT_THAT(
        service_.log(),
        ElementsAre("POST /upload/storage/v1/b/backups/o", "PUT bytes 0-16777215/*",
                    "PUT bytes 16777216-17039359/*", "PUT bytes 17039360-17039364/17039365"));
}

TEST_F(GcsUpload, ShowsNothingBeforeTheUploadIsComplete) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kUnit, 2 * kUnit, kPartBytes}) {
        ASSERT_TRUE(upload("a", make_text(size), false).ok()) << size;
        EXPECT_EQ(stored("a"), "<none>") << size;
        EXPECT_EQ(service_.log().back(), "DELETE /upload/storage/v1/b/backups/o");
        const auto text = make_text(size);
        ASSERT_TRUE(upload("a", text).ok()) << size;
        EXPECT_TRUE(stored("a") == text) << size;
        service_.objects.clear();
    }
}

TEST_F(GcsUpload, ResumesWhereTheStoreIs) {
    const auto text = make_text(2 * kPartBytes + 5);
    // The store keeps five units of the second part, then the connection breaks.
    bool broke = false;
    service_.before = [&](TestRequest& request) -> std::optional<TestReply> {
        if (!broke && request.header("content-range") == "bytes 16777216-33554431/*") {
            broke = true;
            request.body.resize(5 * kUnit);
        }
        return std::nullopt;
    };
    service_.after = [&, used = false](const TestRequest&, TestReply& reply) mutable {
        if (!broke || used) return;
        used = true;
        reply.hangs_up = true;
    };
    const auto status = upload("a", text);
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_TRUE(stored("a") == text);
    EXPECT_THAT(
        service_.log(),
        ElementsAre("POST /upload/storage/v1/b/backups/o", "PUT bytes 0-16777215/*",
                    "PUT bytes 16777216-33554431/*", "PUT bytes */*",
                    "PUT bytes 18087936-33554431/*", "PUT bytes 33554432-33554436/33554437"));
}

TEST_F(GcsUpload, GoesOnAfterA308ThatHasOnlySomeOfAPart) {
    const auto text = make_text(kPartBytes + 5);
    service_.before = [used = false](TestRequest& request) mutable -> std::optional<TestReply> {
        if (!used && request.header("content-range") == "bytes 0-16777215/*") {
            used = true;
            request.body.resize(3 * kUnit);
        }
        return std::nullopt;
    };
    ASSERT_TRUE(upload("a", text).ok());
    EXPECT_TRUE(stored("a") == text);
}

TEST_F(GcsUpload, FindsTheObjectMadeWhenTheLastReplyIsLost) {
    lose_reply("PUT", "bytes 16777216-16777220/16777221");
    const auto text = make_text(kPartBytes + 5);
    const auto status = upload("a", text);
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_TRUE(stored("a") == text);
    EXPECT_EQ(service_.log().back(), "PUT bytes */16777221");
}

TEST_F(GcsUpload, FindsTheObjectMadeWhenTheSessionIsForgottenToo) {
    lose_reply("PUT", "bytes 16777216-16777220/16777221");
    fail_once("PUT", "bytes */16777221", {.status = 410});
    const auto status = upload("a", make_text(kPartBytes + 5));
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_EQ(service_.log().back(), "GET /storage/v1/b/backups/o/auth%2Fa");
}

TEST_F(GcsUpload, SaysThatTheSessionIsLost) {
    fail_once("PUT", "bytes 0-16777215/*", {.status = 404});
    const auto status = upload("a", make_text(kPartBytes + 5));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fact,
              "cannot write gs://backups/auth/a: the store has forgotten the upload");
    EXPECT_EQ(stored("a"), "<none>");
}

TEST_F(GcsUpload, RefusesAnUploadWhoseNameWasTakenMeanwhile) {
    const auto with = client();
    const auto parts = with->begin_upload("a", {.once = true, .mark = "mark"});
    ASSERT_TRUE(parts.ok());
    ASSERT_TRUE(with->put("a", as_bytes("theirs"), {.once = true, .mark = "other"}).ok());
    ASSERT_TRUE((*parts)->put_part(0, as_bytes("ours"), true).ok());
    const auto status = (*parts)->complete(1, 4);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::busy);
    EXPECT_EQ(stored("a"), "theirs");
}

TEST_F(GcsUpload, RemovesWhatAServerPublishedTooEarly) {
    service_.before = [](TestRequest& request) -> std::optional<TestReply> {
        if (request.header("content-range") == "bytes 0-16777215/*")
            request.headers["content-range"] = "bytes 0-16777215/16777216";
        return std::nullopt;
    };
    const auto status = upload("a", make_text(kPartBytes + 5));
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().fact, HasSubstr("ended the upload too early"));
    EXPECT_EQ(stored("a"), "<none>");
}

}  // namespace
}  // namespace asb::gcs
