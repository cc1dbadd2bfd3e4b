#include "repo/body_index.hpp"

#include <gtest/gtest.h>

#include "codec/gzip.hpp"
#include "codec/segment.hpp"

namespace asb {
namespace {

BodyIndex sample() {
    BodyIndex index;
    index.body_length = kSegmentBytes + 5;
    index.segments = {sha256(as_bytes("a")), sha256(as_bytes("b"))};
    index.member_sizes = {1000, 23};
    return index;
}

void expect_damaged(const std::string& text, std::string_view why) {
    const auto parsed = parse_body_index(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, Code::damaged);
    EXPECT_NE(parsed.error().fact.find(why), std::string::npos) << parsed.error().fact;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    return text.replace(text.find(from), from.size(), to);
}

TEST(BodyIndex, ComesBackAsItWasWritten) {
    const auto parsed = parse_body_index(to_text(sample()));
    ASSERT_TRUE(parsed.ok()) << parsed.error().fact;
    EXPECT_EQ(parsed->body_length, sample().body_length);
    EXPECT_EQ(parsed->segments, sample().segments);
    EXPECT_EQ(parsed->member_sizes, sample().member_sizes);
}

TEST(BodyIndex, HasTheTextThatTheFormatPromises) {
    BodyIndex index;
    index.body_length = 3;
    index.segments = {sha256(as_bytes("abc"))};
    index.member_sizes = {3};
    EXPECT_EQ(to_text(index),
              "asb-index 1\nbody 3\nsegments 1\nmembers 1\n"
              "segment ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nmember "
              "3\nend\n");
}

TEST(BodyIndex, RefusesAnythingElse) {
    const auto good = to_text(sample());
    expect_damaged("", "first line");
    expect_damaged("asb-index 2\n", "version");
    expect_damaged(good.substr(0, good.size() - 1), "end");
    expect_damaged(good + "x\n", "end");
    expect_damaged(replaced(good, "segments 2", "segments 1"), "add up");
    expect_damaged(replaced(good, "member 23", "member 0"), "size");
    expect_damaged(replaced(good, "member 23", "member 023"), "size");
    expect_damaged(replaced(good, "member 23", fmt::format("member {}", kMemberStoredBytesMax + 1)),
                   "size");
    expect_damaged(replaced(good, "members 2", "members 3"), "size");
    expect_damaged(replaced(good, "body ", "body -"), "length");
    expect_damaged(replaced(good, "segment c", "segment C"), "digest");
}

TEST(BodyIndex, EveryTruncationIsRefused) {
    const auto good = to_text(sample());
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(parse_body_index(good.substr(0, size)).ok()) << size;
}

}  // namespace
}  // namespace asb
