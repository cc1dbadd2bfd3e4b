#include "base/text.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace asb {
namespace {

using std::chrono::milliseconds;

TEST(ParseHex, IsTheInverseOfToHexInBothCases) {
    const auto bytes = parse_hex("00ff7Fa0");
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(to_hex(*bytes), "00ff7fa0");
    EXPECT_TRUE(parse_hex("")->empty());
}

TEST(ParseHex, NamesTheOffsetOfWhatIsNotADigit) {
    const auto odd = parse_hex("abc");
    ASSERT_FALSE(odd.ok());
    EXPECT_EQ(odd.error().fact, "hex text has an odd length (3)");
    const auto letter = parse_hex("00fg");
    ASSERT_FALSE(letter.ok());
    EXPECT_EQ(letter.error().code, Code::damaged);
    EXPECT_EQ(letter.error().fact, "not a hex digit at offset 2");
}

TEST(Split, KeepsEmptyParts) {
    EXPECT_EQ(split("a::b:", ':'), (std::vector<std::string>{"a", "", "b", ""}));
    EXPECT_EQ(split("", ':'), (std::vector<std::string>{""}));
}

TEST(Join, IsTheInverseOfSplit) {
    EXPECT_EQ(join({"a", "", "b"}, ", "), "a, , b");
    EXPECT_EQ(join({}, ","), "");
}

TEST(Trim, RemovesSpaceAtBothEndsOnly) {
    EXPECT_EQ(trim(" \t a b\r\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(trim(""), "");
}

TEST(HumanBytes, KeepsThreeDigits) {
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1024), "1.0 KiB");
    EXPECT_EQ(human_bytes(1'288'490'189), "1.2 GiB");
    EXPECT_EQ(human_bytes(333 * kMiB), "333 MiB");
    EXPECT_EQ(human_bytes(kMiB - 1), "1.0 MiB");
    EXPECT_EQ(human_bytes(std::numeric_limits<std::uint64_t>::max()), "16.0 EiB");
}

TEST(HumanDuration, ChangesItsUnitWithItsLength) {
    EXPECT_EQ(human_duration(milliseconds(0)), "0 ms");
    EXPECT_EQ(human_duration(milliseconds(999)), "999 ms");
    EXPECT_EQ(human_duration(milliseconds(4200)), "4.2 s");
    EXPECT_EQ(human_duration(milliseconds(185'000)), "3 min 05 s");
    EXPECT_EQ(human_duration(milliseconds(7'800'000)), "2 h 10 min");
}

TEST(ParseU64, TakesDecimalsUpToTheLargest) {
    EXPECT_EQ(parse_u64("0"), 0U);
    EXPECT_EQ(parse_u64("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
}

TEST(ParseU64, RefusesSignsLeadingZerosOverflowAndRubbish) {
    for (const auto* text : {"", "-1", "+1", "01", " 1", "1 ", "1x", "0x1", "18446744073709551616",
                             "99999999999999999999", "100000000000000000000"})
        EXPECT_FALSE(parse_u64(text).has_value()) << text;
}

TEST(IsUtf8, TakesEveryLengthOfSequence) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("plain"));
    EXPECT_TRUE(is_utf8("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91 \xf4\x8f\xbf\xbf"));
}

TEST(IsUtf8, RefusesOverlongSurrogateTruncatedAndStrayBytes) {
    for (const auto* text : {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
                             "\xf4\x90\x80\x80", "\xc3", "\xe2\x82", "\x80", "\xff", "a\xc3z"})
        EXPECT_FALSE(is_utf8(text)) << to_hex(as_bytes(text));
}

TEST(Printable, EscapesWhatCouldMoveTheCursor) {
    EXPECT_EQ(printable("caf\xc3\xa9 \x1b[2J\n\x7f\xff"), "caf\xc3\xa9 \\x1b[2J\\x0a\\x7f\\xff");
}

TEST(ShellQuote, LeavesPlainWordsAlone) {
    EXPECT_EQ(shell_quote("/var/lib/x-1.tar:2@h=%+,"), "/var/lib/x-1.tar:2@h=%+,");
}

TEST(ShellQuote, IsReadBackUnchangedByAShell) {
    for (const std::string word : {"", "a b", "it's", "$HOME `id` \"x\"", "new\nline", "*", "~"}) {
        const auto command = "printf %s " + shell_quote(word);
        FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c)
        ASSERT_NE(pipe, nullptr);
        char block[256];
        const auto count = fread(block, 1, sizeof block, pipe);
        EXPECT_EQ(pclose(pipe), 0);
        EXPECT_EQ(std::string_view(block, count), word);
    }
}

TEST(Nearest, FindsWhatWasMeant) {
    const std::vector<std::string> verbs = {"backup", "restore", "verify"};
    EXPECT_EQ(nearest("restroe", verbs), "restore");
    EXPECT_EQ(nearest("bakup", verbs), "backup");
    EXPECT_EQ(nearest("BACKUP", verbs), "backup");
    EXPECT_EQ(nearest("frobnicate", verbs), "");
    EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace asb
