#include "base/json.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

TEST(ParseJson, GivesTheDocument) {
    const auto document = parse_json(R"({"b": [1, true, null], "a": "x"})", "the manifest");
    ASSERT_TRUE(document.ok());
    EXPECT_EQ((*document)["b"][0], 1);
    EXPECT_EQ((*document)["a"], "x");
}

TEST(ParseJson, NamesTheDocumentAndTheByteOfTheError) {
    const auto document = parse_json(R"({"a": x})", "the manifest");
    ASSERT_FALSE(document.ok());
    EXPECT_EQ(document.error().code, Code::damaged);
    EXPECT_EQ(document.error().fact, "the manifest is not valid JSON (at byte 7)");
}

TEST(ParseJson, RefusesWhatIsNotOneDocument) {
    for (const auto* text : {"", "{", "{} {}", "nul", "[1,]", "\"\xff\"", "{\"a\":1,}"})
        EXPECT_FALSE(parse_json(text, "it").ok()) << text;
}

TEST(ParseJson, RefusesANumberThatNothingCanHold) {
    const auto document = parse_json(R"({"a": 26e628})", "the manifest");
    ASSERT_FALSE(document.ok());
    EXPECT_EQ(document.error().code, Code::damaged);
}

TEST(Canonical, SortsKeysAndUsesNoSpace) {
    const auto document =
        parse_json("{ \"b\" : [ 2, 1 ],\n \"a\" : {\"d\": 1, \"c\": \"\\u00e9\"} }", "it");
    ASSERT_TRUE(document.ok());
    EXPECT_EQ(canonical(*document), "{\"a\":{\"c\":\"\xc3\xa9\",\"d\":1},\"b\":[2,1]}");
}

TEST(Canonical, GivesEqualBytesForEqualDocuments) {
    const auto one = parse_json(R"({"x": "\n/", "n": 18446744073709551615})", "it");
    ASSERT_TRUE(one.ok());
    const auto two = parse_json(canonical(*one), "it");
    ASSERT_TRUE(two.ok());
    EXPECT_EQ(canonical(*one), canonical(*two));
    EXPECT_EQ((*two)["n"].get<std::uint64_t>(), 18446744073709551615U);
}

}  // namespace
}  // namespace asb
