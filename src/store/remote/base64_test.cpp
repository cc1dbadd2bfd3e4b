#include "store/remote/base64.hpp"

#include <gmock/gmock.h>

#include <string>

namespace asb::remote {
namespace {

TEST(Base64, WritesWithPadding) {
    EXPECT_EQ(base64({}), "");
    EXPECT_EQ(base64(as_bytes("f")), "Zg==");
    EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
    EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");
}

TEST(Base64, ReadsADigestBack) {
    const auto digest = sha256(as_bytes("text"));
    EXPECT_EQ(digest_from_base64(base64(digest)), digest);
}

TEST(Base64, TakesNothingElseForADigest) {
    const auto text = base64(sha256(as_bytes("text")));
    EXPECT_FALSE(digest_from_base64(""));
    EXPECT_FALSE(digest_from_base64(text.substr(1)));
    EXPECT_FALSE(digest_from_base64(text.substr(0, 42) + "=="));
    EXPECT_FALSE(digest_from_base64("!" + text.substr(1)));
}

}  // namespace
}  // namespace asb::remote
