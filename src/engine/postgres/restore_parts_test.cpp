// The pure parts of a restore: names, maps, settings.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "engine/postgres/data_directory_config.hpp"
#include "engine/postgres/data_directory_staging.hpp"
#include "engine/postgres/data_directory_tablespaces.hpp"
#include "engine/postgres/private_instance_programs.hpp"
#include "engine/postgres/restore_facts.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json two_tablespaces() {
    return {{"tablespaces", Json::array({{{"oid", "16400"}, {"path", "/fast"}},
                                         {{"oid", 16401}, {"path", "/slow"}}})}};
}

TEST(TablespacePlaces, AreBesideTheTargetUnlessMapped) {
    RestoreRequest request;
    request.tablespaces = {{"/slow", "/elsewhere/slow"}};
    const auto places = place_tablespaces(request, "/restored", two_tablespaces());
    ASSERT_TRUE(places.ok()) << to_text(places.error());
    EXPECT_EQ(places.value()[0].new_path, "/restored-tablespaces/16400");
    EXPECT_EQ(places.value()[1].new_path, "/elsewhere/slow");
}

TEST(TablespacePlaces, MayNotBeShared) {
    RestoreRequest request;
    request.tablespaces = {{"16400", "/same"}, {"16401", "/same"}};
    const auto places = place_tablespaces(request, "/restored", two_tablespaces());
    ASSERT_FALSE(places.ok());
    EXPECT_EQ(places.error().code, Code::usage);
}

TEST(TablespacePlaces, RefuseAnOidThatLeadsOutOfTheFolder) {
    const Json facts = {{"tablespaces", Json::array({{{"oid", "../x"}, {"path", "/fast"}}})}};
    const auto places = place_tablespaces({}, "/restored", facts);
    ASSERT_FALSE(places.ok());
    EXPECT_EQ(places.error().code, Code::damaged);
}

TEST(TablespaceMap, GetsTheNewPathsEscapedAsTheServerReadsThem) {
    const std::vector<TablespacePlace> places = {{"16400", "/fast", "/new\\fast"},
                                                 {"16401", "/a\nb", "/new\nslow"}};
    const auto map = rewrite_tablespace_map("16400 /fast\n16401 /a\\\nb\n", places);
    ASSERT_TRUE(map.ok()) << to_text(map.error());
    EXPECT_EQ(map.value(), "16400 /new\\\\fast\n16401 /new\\\nslow\n");
}

TEST(TablespaceMap, MustNameExactlyTheTablespacesOfTheManifest) {
    const std::vector<TablespacePlace> places = {{"16400", "/fast", "/new"}};
    EXPECT_FALSE(rewrite_tablespace_map("", places).ok());
    EXPECT_FALSE(rewrite_tablespace_map("16400 /fast\n16401 /x\n", places).ok());
    EXPECT_FALSE(rewrite_tablespace_map("16400 /fast\n16400 /fast\n", places).ok());
}

TEST(DangerousSettings, AreSeenInEveryWayOfWritingThem) {
    EXPECT_THAT(dangerous_settings("archive_mode = on"), ElementsAre(HasSubstr("archive_mode")));
    EXPECT_THAT(dangerous_settings("  ARCHIVE_MODE 'always' # why"),
                ElementsAre(HasSubstr("archive_mode")));
    EXPECT_THAT(dangerous_settings("data_directory='/var/lib/live'"),
                ElementsAre(HasSubstr("data_directory is set")));
}

TEST(DangerousSettings, AreNotSeenWhereTheyAreCommentsOrOff) {
    EXPECT_THAT(dangerous_settings("#archive_mode = on\narchive_mode = off\n"), IsEmpty());
    EXPECT_THAT(dangerous_settings("archive_mode = on\narchive_mode = off\n"), IsEmpty());
    EXPECT_THAT(dangerous_settings("shared_buffers = 1GB\n"), IsEmpty());
}

TEST(DangerousSettings, NeverShowACommand) {
    for (const auto& line :
         dangerous_settings("archive_mode=on\narchive_command='put --password=hunter2'"))
        EXPECT_THAT(line, ::testing::Not(HasSubstr("hunter2")));
}

TEST(RestoreNames, StayWithinTheServersLengthAndBetweenCharacters) {
    const auto id = new_restore_id();
    EXPECT_EQ(restore_name("app", "x"), "app__restore_x");
    EXPECT_EQ(before_name("app", "x"), "app__before_x");
    std::string umlauts;
    for (int i = 0; i < 31; ++i) umlauts += "\xC3\xBC";
    const auto name = restore_name(umlauts, id);
    EXPECT_LE(name.size(), 63U);
    EXPECT_TRUE(name.ends_with("__restore_" + id));
    EXPECT_EQ(name.find("__") % 2, 0U) << "cut inside a character";
}

TEST(ServerPrograms, KnowTheirMajorVersion) {
    EXPECT_EQ(major_in("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), 15);
    EXPECT_EQ(major_in("postgres (PostgreSQL) 18beta1"), 18);
    EXPECT_EQ(major_in("bash: postgres: not found"), 0);
}

TEST(BackupIdentity, RefusesFactsOfAnotherKind) {
    EXPECT_EQ(read_identity(Json{{"version_num", 150020}}).value().major, 15);
    EXPECT_EQ(read_identity(Json{{"version_num", "150020"}}).error().code, Code::damaged);
    EXPECT_EQ(read_identity(Json::object()).error().code, Code::damaged);
}

class StagedTreeTest : public ::testing::Test {
  public:
    StagedTreeTest() : path_(::testing::TempDir() + "asb-tree-XXXXXX") {
        if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
    }
    ~StagedTreeTest() override { static_cast<void>(remove_tree(path_)); }
    std::string path_;
};

TEST_F(StagedTreeTest, NeverFollowsASymbolicLinkThatSomebodyPlanted) {
    std::filesystem::create_directory(path_ + "/place");
    std::filesystem::create_directory(path_ + "/outside");
    std::filesystem::create_directory_symlink(path_ + "/outside", path_ + "/place/base");
    auto tree = StagedTree::open(path_ + "/place", std::nullopt);
    ASSERT_TRUE(tree.ok());
    const auto status = tree.value().write_file("base/file", "x");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::damaged);
    EXPECT_TRUE(std::filesystem::is_empty(path_ + "/outside"));
}

TEST_F(StagedTreeTest, RefusesANameThatComesTwice) {
    auto tree = StagedTree::open(path_, std::nullopt);
    ASSERT_TRUE(tree.ok());
    ASSERT_TRUE(tree.value().write_file("a/b", "x").ok());
    EXPECT_EQ(tree.value().begin_file("a/b").error().code, Code::damaged);
}

TEST_F(StagedTreeTest, SyncsEverythingAndReportsAStop) {
    auto tree = StagedTree::open(path_, std::nullopt);
    ASSERT_TRUE(tree.ok());
    for (int i = 0; i < 50; ++i)
        ASSERT_TRUE(tree.value().write_file(fmt::format("f{}/x", i), "x").ok());
    const StopToken stop;
    EXPECT_TRUE(tree.value().sync(2, stop).ok());
    stop.request();
    EXPECT_EQ(tree.value().sync(2, stop).error().code, Code::interrupted);
}

TEST_F(StagedTreeTest, TwoRestoresOfOneTargetDoNotSweepEachOther) {
    auto first = StagedFolder::open({.target = path_ + "/data", .owner = {}, .stamp = "s"});
    ASSERT_TRUE(first.ok()) << to_text(first.error());
    ASSERT_TRUE(first.value()->tree().write_file("x", "1").ok());
    auto second = StagedFolder::open({.target = path_ + "/data", .owner = {}, .stamp = "s"});
    ASSERT_TRUE(second.ok()) << to_text(second.error());
    EXPECT_TRUE(first.value()->tree().has_file("x"));
    ASSERT_TRUE(first.value()->publish().ok());
    first.value()->keep();
    const auto late = second.value()->publish();
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, Code::refused);
    EXPECT_TRUE(std::filesystem::exists(path_ + "/data/x"));
}

}  // namespace
}  // namespace asb::postgres
