#include "engine/fileset/words.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace asb::fileset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<StoredEntry> kEntries = {
    {"postgresql/base/PG_VERSION", EntryType::file, 3},
    {"config/etc", EntryType::folder, 0},
    {"config/etc/a.yaml", EntryType::file, 5},
    {"config/etc/[b].yaml", EntryType::file, 6},
    {"config/etc/deep", EntryType::folder, 0},
    {"config/etc/deep/c.yaml", EntryType::hard_link, 0},
    {"logs/etc/a.yaml", EntryType::file, 7},
};

Result<std::vector<bool>> choose(std::vector<std::string> only,
                                 std::vector<std::string> components = {"config", "logs"}) {
    RestoreRequest request;
    request.only = std::move(only);
    request.components = std::move(components);
    return choose_files(request, kEntries);
}

TEST(Words, ASlashAtTheFrontMeansThePathOnTheOldMachine) {
    EXPECT_TRUE(means("/etc/a.yaml", "config/etc/a.yaml"));
    EXPECT_TRUE(means("/etc/a.yaml", "logs/etc/a.yaml"));
    EXPECT_FALSE(means("/etc/a.yaml", "certificates/etc/a.yaml.old"));
    EXPECT_TRUE(means("config/etc/a.yaml", "config/etc/a.yaml"));
    EXPECT_FALSE(means("config/etc/a.yaml", "logs/etc/a.yaml"));
}

TEST(Words, AFolderMeansAllInItAndAWildcardStopsAtASlash) {
    EXPECT_TRUE(means("/etc/", "config/etc/deep/c.yaml"));
    EXPECT_TRUE(means("/etc/d*", "config/etc/deep/c.yaml"));
    EXPECT_FALSE(means("/etc/*.yaml", "config/etc/deep/c.yaml"));
    EXPECT_TRUE(means("/", "config/etc/a.yaml"));
    EXPECT_FALSE(means("/et", "config/etc/a.yaml"));
}

TEST(Words, ANameThatLooksLikeAPatternMeansItself) {
    EXPECT_TRUE(means("/etc/[b].yaml", "config/etc/[b].yaml"));
    EXPECT_TRUE(means("config/etc/[b].yaml", "config/etc/[b].yaml"));
}

TEST(Words, AFileComesWithTheFoldersAboveIt) {
    EXPECT_THAT(choose({"/etc/a.yaml"}, {"config"}).value(),
                ElementsAre(false, true, true, false, false, false, false));
    EXPECT_THAT(choose({"/etc/a.yaml"}).value(),
                ElementsAre(false, true, true, false, false, false, true));
}

TEST(Words, AHardLinkComesWithTheFilesThatItMayLeadTo) {
    EXPECT_THAT(choose({"/etc/deep/c.yaml"}).value(),
                ElementsAre(false, true, true, true, true, true, false));
}

TEST(Words, WithoutWordsTheComponentsCome) {
    EXPECT_THAT(choose({}, {"logs"}).value(),
                ElementsAre(false, false, false, false, false, false, true));
}

TEST(Words, AWordThatMeansNothingIsNotFound) {
    const auto near = choose({"/etc/a.yml"});
    ASSERT_FALSE(near.ok());
    EXPECT_EQ(near.error().code, Code::not_found);
    EXPECT_EQ(near.error().hint, "did you mean /etc/a.yaml?");
    const auto far = choose({"/etc/a.yaml", "/something/else"});
    ASSERT_FALSE(far.ok());
    EXPECT_THAT(far.error().fact, HasSubstr("/something/else"));
    EXPECT_THAT(far.error().hint, HasSubstr("it holds /etc/a.yaml, "));
    EXPECT_EQ(choose({"/etc/deep"}, {"logs"}).error().code, Code::not_found);
}

}  // namespace
}  // namespace asb::fileset
