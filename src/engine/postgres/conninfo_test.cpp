#include "engine/postgres/conninfo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace asb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Conninfo, ReadsBothSchemesOfAnAddress) {
    for (const char* scheme : {"postgres", "postgresql"}) {
        const auto words = parse_conninfo(
            std::string(scheme) + "://backup:p%40ss@db.example:6432/auth?sslmode=verify-full");
        ASSERT_TRUE(words.ok());
        EXPECT_EQ(word(words.value(), "host"), "db.example");
        EXPECT_EQ(word(words.value(), "port"), "6432");
        EXPECT_EQ(word(words.value(), "user"), "backup");
        EXPECT_EQ(word(words.value(), "password"), "p@ss");
        EXPECT_EQ(word(words.value(), "dbname"), "auth");
        EXPECT_EQ(word(words.value(), "sslmode"), "verify-full");
    }
}

TEST(Conninfo, ReadsKeywords) {
    const auto words = parse_conninfo("host=/run/postgresql user='back up' dbname=auth");
    ASSERT_TRUE(words.ok());
    EXPECT_EQ(word(words.value(), "host"), "/run/postgresql");
    EXPECT_EQ(word(words.value(), "user"), "back up");
    EXPECT_EQ(word(words.value(), "password"), "");
}

TEST(Conninfo, AnErrorRepeatsNothingOfTheText) {
    for (const char* text : {"", "postgresql://u:top%zzsecret@h/d", "user=u password=a topsecret",
                             "postgresql://u:p@h/d?topsecret=1", "http://topsecret"}) {
        const auto words = parse_conninfo(text);
        ASSERT_FALSE(words.ok()) << text;
        EXPECT_EQ(words.error().code, Code::usage);
        EXPECT_THAT(to_text(words.error()), Not(HasSubstr("secret")));
        EXPECT_THAT(words.error().hint, HasSubstr("postgresql://user:password@host:5432/database"));
    }
}

TEST(Conninfo, AWordCanBeReplacedOrDefaulted) {
    ConninfoWords words = {{"dbname", "auth"}};
    set_word(words, "dbname", "template1");
    set_default_word(words, "dbname", "other");
    set_default_word(words, "keepalives_idle", "30");
    EXPECT_EQ(words, (ConninfoWords{{"dbname", "template1"}, {"keepalives_idle", "30"}}));
}

}  // namespace
}  // namespace asb
