#include "repo/line_history.hpp"

#include <gtest/gtest.h>

#include <string>

namespace asb {
namespace {

TEST(LineHistory, IsReadBackAsItWasWritten) {
    const LineHistory history{
        .branches = {{.line = 2, .parent = 1, .at = 0x3000000},
                     {.line = 4, .parent = 2, .at = ~0ULL}},
        .text = "1\t0/3000000\tno recovery target specified\n2\tFFFFFFFF/FFFFFFFF\tat \xff\n"};
    const auto read = parse_line_history(to_text(history), "x");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->branches, history.branches);
    EXPECT_EQ(read->text, history.text);
}

TEST(LineHistory, AnythingElseIsDamage) {
    for (
        const char* text :
        {"", "{}", "[]", R"({"branches":[],"text_hex":"0"})", R"({"branches":[1],"text_hex":""})",
         R"({"branches":[{"at":"0","line":"00000002","parent":"00000001"}],"text_hex":""})",
         R"({"branches":[{"at":"0000000000000000","line":"00000001","parent":"00000001"}],"text_hex":""})"}) {
        const auto read = parse_line_history(text, "log/a/00000002.history");
        ASSERT_FALSE(read.ok()) << text;
        EXPECT_EQ(read.error().code, Code::damaged);
    }
}

}  // namespace
}  // namespace asb
