#include "engine/fileset/staging_tree.hpp"

#include <gmock/gmock.h>

#include "engine/fileset/restore_test_support.hpp"

namespace asb::fileset {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

void expect_damaged(const Status& status, const std::string& part) {
    ASSERT_FALSE(status.ok()) << "accepted what should be: " << part;
    EXPECT_EQ(status.error().code, Code::damaged);
    EXPECT_THAT(status.error().fact, HasSubstr(part));
}

TEST(StagingTree, RefusesNamesThatWouldLeaveTheFolder) {
    const TempFolder temp;
    for (const auto& name :
         std::vector<std::string>{"config/../../evil", "config//etc/passwd", "config/./a",
                                  "config/a/..", "config/" + std::string(256, 'n')}) {
        Restore restore(temp);
        const auto status = restore.add_file(name, "evil");
        ASSERT_FALSE(status.ok()) << name;
        EXPECT_EQ(status.error().code, Code::damaged) << name;
    }
    EXPECT_THAT(names_in(temp.path()), IsEmpty());
}

TEST(StagingTree, RefusesToWriteThroughASymbolicLinkOfTheArchive) {
    const TempFolder temp;
    const auto outside = temp.folder("outside");
    Restore restore(temp);
    ASSERT_TRUE(restore.add(entry("config/dir", EntryType::symbolic_link, outside)).ok());
    expect_damaged(restore.add_file("config/dir/evil", "x"),
                   "archive entry config/dir/evil lies below config/dir, which is not a folder");
    expect_damaged(restore.add_file("config/dir/sub/evil", "x"), "lies below config/dir,");
    expect_damaged(restore.add(entry("config/dir/sub", EntryType::folder)), "lies below");
    expect_damaged(restore.add(entry("config/dir", EntryType::folder)), "is there twice");
    expect_damaged(restore.add_file("config/dir", "x"), "is there twice");
    EXPECT_THAT(names_in(outside), IsEmpty());
}

TEST(StagingTree, RefusesASymbolicLinkInPlaceOfAFolderThatHasContent) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/dir/a", "a").ok());
    expect_damaged(restore.add(entry("config/dir", EntryType::symbolic_link, "/etc")),
                   "archive entry config/dir is there twice");
    expect_damaged(restore.add_file("config/dir/a/b", "b"), "which is not a folder");
}

TEST(StagingTree, WritesThroughNoLinkThatSomebodyPutIntoTheStagingFolder) {
    const TempFolder temp;
    const auto outside = temp.folder("outside");
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/dir/a", "a").ok());
    const auto staging =
        restore.request.files_dir + "/" + names_in(restore.request.files_dir).at(0);
    ASSERT_EQ(rename((staging + "/config/dir").c_str(), temp.at("moved").c_str()), 0);
    ASSERT_EQ(symlink(outside.c_str(), (staging + "/config/dir").c_str()), 0);
    EXPECT_FALSE(restore.add_file("config/dir/evil", "x").ok());
    EXPECT_THAT(names_in(outside), IsEmpty());
}

TEST(StagingTree, RefusesHardLinksToAnythingButFilesOfTheArchive) {
    const TempFolder temp;
    temp.file("secret", "s");
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/a", "a").ok());
    ASSERT_TRUE(restore.add(entry("config/link", EntryType::symbolic_link, "/etc/passwd")).ok());
    for (const std::string target : {"/etc/passwd", "../secret", "config/../../secret", "secret",
                                     "config", "config/link", "config/none"}) {
        const auto status = restore.add(entry("config/evil", EntryType::hard_link, target));
        ASSERT_FALSE(status.ok()) << target;
        EXPECT_EQ(status.error().code, Code::damaged) << target;
    }
}

TEST(StagingTree, RefusesDevicesAndEmptyLinks) {
    const TempFolder temp;
    Restore restore(temp);
    expect_damaged(restore.add(entry("config/dev", EntryType::other)),
                   "is neither a file, a folder nor a link");
    expect_damaged(restore.add(entry("config/l", EntryType::symbolic_link, "")),
                   "without a proper target");
}

TEST(StagingTree, RefusesDataThatIsNotAsLongAsItsHeaderSays) {
    const TempFolder temp;
    Restore restore(temp);
    restore.open();
    auto header = entry("config/a", EntryType::file);
    header.size = 3;
    ASSERT_TRUE(restore.session->begin(header).ok());
    expect_damaged(restore.session->write(as_bytes("four")), "more data than its header says");
    ASSERT_TRUE(restore.session->write(as_bytes("12")).ok());
    expect_damaged(restore.session->end(), "archive entry config/a ends 1 bytes too early");
    expect_damaged(restore.session->publish(), "archive entry config/a was cut off");
    EXPECT_FALSE(exists(restore.at("config")));
}

}  // namespace
}  // namespace asb::fileset
