#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/tar.hpp"
#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::FailsWith;
using test::Succeeds;

TEST(SafeName, TakesWhatLinuxAllows) {
    for (const auto* name : {"a", "a/b", "...", "a/..b", "new\nline", "\xff\xfe", " ", "-rf"})
        EXPECT_THAT(safe_name(name), Succeeds()) << name;
    EXPECT_THAT(safe_name(std::string(255, 'x')), Succeeds());
    std::string longest;
    while (longest.size() < 4095) longest += longest.size() % 2 == 0 ? "x" : "/";
    EXPECT_THAT(safe_name(longest), Succeeds());
}

TEST(SafeName, RefusesWhatCouldLeaveTheTarget) {
    EXPECT_THAT(safe_name(""), FailsWith(Code::damaged, "is empty"));
    EXPECT_THAT(safe_name("/etc/passwd"), FailsWith(Code::damaged, "is absolute"));
    for (const auto* name : {"..", ".", "a/../b", "a/..", "../a", "./a", "a/./b"})
        EXPECT_THAT(safe_name(name), FailsWith(Code::damaged, "'.' or '..'")) << name;
    for (const auto* name : {"a//b", "a/"})
        EXPECT_THAT(safe_name(name), FailsWith(Code::damaged, "empty component")) << name;
    EXPECT_THAT(safe_name(std::string_view("a\0b", 3)), FailsWith(Code::damaged, "NUL"));
    EXPECT_THAT(safe_name(std::string(256, 'x')), FailsWith(Code::damaged, "255 bytes"));
    std::string too_long;
    while (too_long.size() < 4096) too_long += "x/";
    EXPECT_THAT(safe_name(too_long + "x"), FailsWith(Code::damaged, "4095 bytes"));
}

}  // namespace
}  // namespace asb
