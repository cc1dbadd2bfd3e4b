#include "engine/postgres/tablespace_mark.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "io/file.hpp"

namespace asb::postgres {
namespace {

namespace fs = std::filesystem;

// A tablespace with data and a mark that names a staging folder beside it; removed at the end.
class TablespaceMark : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "asb-mark-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        root_ = name;
        fs::create_directories(tablespace() / "PG_15_202209061/1");
        fs::create_directories(staging());
        auto tree = StagedTree::open(tablespace().string(), std::nullopt);
        ASSERT_TRUE(tree.ok());
        ASSERT_TRUE(put_mark(*tree, staging().string()).ok());
    }
    void TearDown() override { fs::remove_all(root_); }

    [[nodiscard]] fs::path tablespace() const { return root_ / "fast"; }
    [[nodiscard]] fs::path staging() const { return root_ / ".data.restoring-a1b2c3"; }

    fs::path root_;
};

TEST_F(TablespaceMark, ProvesADeadRestoreWhileItsStagingFolderIsThere) {
    EXPECT_TRUE(is_of_dead_restore(tablespace().string()));
    ASSERT_TRUE(clear_if_of_dead_restore(tablespace().string()).ok());
    EXPECT_TRUE(fs::is_empty(tablespace()));
}

TEST_F(TablespaceMark, MeansNothingOnceTheDataDirectoryHasItsName) {
    fs::rename(staging(), root_ / "data");
    EXPECT_FALSE(is_of_dead_restore(tablespace().string()));
    ASSERT_TRUE(clear_if_of_dead_restore(tablespace().string()).ok());
    EXPECT_TRUE(fs::exists(tablespace() / "PG_15_202209061/1"));
}

TEST_F(TablespaceMark, OfALivingRestoreIsLeftAlone) {
    auto held = open_file(staging().string(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(held.ok());
    ASSERT_EQ(flock(held->get(), LOCK_EX | LOCK_NB), 0);
    EXPECT_FALSE(is_of_dead_restore(tablespace().string()));
}

TEST_F(TablespaceMark, ThatNamesAnyOtherFolderIsNotBelieved) {
    std::ofstream(tablespace() / ".auth-service-backup.tablespace") << root_.string();
    EXPECT_FALSE(is_of_dead_restore(tablespace().string()));
}

TEST_F(TablespaceMark, OfARestoreIntoAMountPointCountsUntilThatIsFinished) {
    const auto mount_point = root_ / "mounted";
    fs::create_directories(mount_point);
    std::ofstream(mount_point / kInPlaceMark) << "x";
    std::ofstream(tablespace() / ".auth-service-backup.tablespace") << mount_point.string();
    EXPECT_TRUE(is_of_dead_restore(tablespace().string()));
    fs::remove(mount_point / kInPlaceMark);
    EXPECT_FALSE(is_of_dead_restore(tablespace().string()));
}

TEST_F(TablespaceMark, IsTakenAway) {
    auto tree = StagedTree::open(tablespace().string(), std::nullopt);
    ASSERT_TRUE(tree.ok());
    take_mark(*tree);
    EXPECT_FALSE(fs::exists(tablespace() / ".auth-service-backup.tablespace"));
}

TEST_F(TablespaceMark, AFolderWithoutOneIsNobodysLeftover) {
    fs::create_directories(root_ / "other/data");
    EXPECT_FALSE(is_of_dead_restore((root_ / "other").string()));
    ASSERT_TRUE(clear_if_of_dead_restore((root_ / "other").string()).ok());
    EXPECT_TRUE(fs::exists(root_ / "other/data"));
}

}  // namespace
}  // namespace asb::postgres
