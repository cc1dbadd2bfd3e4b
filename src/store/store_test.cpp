#include "store/store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"

namespace asb {
namespace {

using testing::HasSubstr;

std::string problem_of(std::string_view text) {
    const auto key = ObjectKey::parse(text);
    EXPECT_FALSE(key.ok()) << text;
    if (key.ok()) return {};
    EXPECT_EQ(key.error().code, Code::usage);
    EXPECT_NE(key.error().hint, "");
    return key.error().fact;
}

TEST(ObjectKey, TakesTheNamesOfTheFormat) {
    for (const auto* text : {"auth-service-backup-20240115_020000.tar.gz.enc", "RESTORE.txt",
                             "log/chain-1/000000010000000000000001.gz", "a", "0", "_", "-"}) {
        const auto key = ObjectKey::parse(text);
        ASSERT_TRUE(key.ok()) << text;
        EXPECT_EQ(key.value().text(), text);
    }
}

TEST(ObjectKey, RefusesNamesThatLeaveTheStore) {
    EXPECT_EQ(problem_of("../secret"),
              "'../secret' is not a name an object can have: a part of it begins with '.'");
    EXPECT_EQ(problem_of("/etc/passwd"),
              "'/etc/passwd' is not a name an object can have: it has an empty part");
    EXPECT_THAT(problem_of("a/../b"), HasSubstr("begins with '.'"));
    EXPECT_THAT(problem_of("a/./b"), HasSubstr("begins with '.'"));
    EXPECT_THAT(problem_of("."), HasSubstr("begins with '.'"));
}

TEST(ObjectKey, RefusesHiddenNames) {
    EXPECT_THAT(problem_of(".x.partial"), HasSubstr("begins with '.'"));
    EXPECT_THAT(problem_of("log/.x"), HasSubstr("begins with '.'"));
}

TEST(ObjectKey, RefusesEmptyParts) {
    EXPECT_EQ(problem_of(""), "'' is not a name an object can have: it is empty");
    EXPECT_THAT(problem_of("a//b"), HasSubstr("empty part"));
    EXPECT_THAT(problem_of("a/"), HasSubstr("empty part"));
    EXPECT_THAT(problem_of("/"), HasSubstr("empty part"));
}

TEST(ObjectKey, RefusesOtherCharactersAndShowsThemSafely) {
    EXPECT_EQ(problem_of("a\nb"),
              "'a\\x0ab' is not a name an object can have: "
              "it has a character outside A-Z a-z 0-9 . _ -");
    for (const std::string_view text : {"a b", "a*", "a\\b", "a\xff", "\xc3\xa9", "a:b"})
        EXPECT_THAT(problem_of(text), HasSubstr("a character outside"));
    EXPECT_THAT(problem_of(std::string_view("a\0b", 3)), HasSubstr("a character outside"));
}

TEST(ObjectKey, RefusesNamesThatAreTooLong) {
    EXPECT_TRUE(ObjectKey::parse(std::string(240, 'x')).ok());
    const auto fact = problem_of(std::string(300, 'x'));
    EXPECT_THAT(fact, HasSubstr("a part of it is longer than 240 bytes"));
    EXPECT_LT(fact.size(), 200U);
    EXPECT_THAT(problem_of(std::string(2000, 'x')), HasSubstr("longer than 1024 bytes"));
}

TEST(ObjectKey, RefusesMoreThanSixteenParts) {
    std::string text = "a";
    for (int i = 1; i < 16; ++i) text += "/a";
    EXPECT_TRUE(ObjectKey::parse(text).ok());
    EXPECT_THAT(problem_of(text + "/a"), HasSubstr("more than 16 parts"));
}

TEST(ObjectKey, SortsByItsText) {
    EXPECT_LT(ObjectKey::known("a-b"), ObjectKey::known("a/b"));
    EXPECT_EQ(ObjectKey::known("a"), ObjectKey::known("a"));
}

TEST(ObjectKeyDeathTest, EndsTheProcessForABadNameOfItsOwn) {
    EXPECT_DEATH(ObjectKey::known("../x"), "assertion failed");
}

}  // namespace
}  // namespace asb
