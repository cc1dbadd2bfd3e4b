#include "io/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace asb {
namespace {

// A folder of its own for each test, removed with all that is in it.
class File : public testing::Test {
  public:
    File() {
        const char* base = std::getenv("TMPDIR");
        folder_ = std::string(base != nullptr ? base : "/tmp") + "/asb-io-XXXXXX";
        EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    }
    ~File() override { std::filesystem::remove_all(folder_); }
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
    static std::string content(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string folder_;  // NOLINT(readability-identifier-naming)
};

TEST_F(File, WritesAllAndReadsItBack) {
    const std::string text(100'000, 'x');
    {
        auto fd = open_file(path("a"), O_WRONLY | O_CREAT | O_EXCL);
        ASSERT_TRUE(fd.ok());
        EXPECT_TRUE(write_all(fd->get(), as_bytes(text), "a").ok());
        EXPECT_TRUE(pwrite_all(fd->get(), as_bytes("yz"), 5, "a").ok());
        EXPECT_TRUE(sync_fd(fd->get(), "a").ok());
    }
    const auto read = read_file(path("a"), 100'000);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->substr(0, 9), "xxxxxyzxx");
    EXPECT_EQ(read->size(), 100'000U);
}

TEST_F(File, CreatesFilesThatOnlyTheirOwnerReads) {
    ASSERT_TRUE(open_file(path("a"), O_WRONLY | O_CREAT).ok());
    struct stat info {};
    ASSERT_EQ(stat(path("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(File, ClosesDescriptorsOnExec) {
    const auto fd = open_file(folder_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.ok());
    EXPECT_NE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(File, NamesTheFileAndTheReasonInErrors) {
    const auto missing = open_file(path("no"), O_RDONLY, 0600, Code::not_found);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, Code::not_found);
    EXPECT_EQ(missing.error().fact, "cannot open " + path("no") + ": No such file or directory");
    const auto folder = open_file(path("no/file"), O_WRONLY | O_CREAT);
    ASSERT_FALSE(folder.ok());
    EXPECT_EQ(folder.error().fact,
              "cannot create " + path("no/file") + ": No such file or directory");
}

TEST_F(File, TurnsAFullDiskIntoItsOwnCode) {
    const auto error = errno_error(ENOSPC, "cannot write", "x", Code::store);
    EXPECT_EQ(error.code, Code::space);
    EXPECT_FALSE(error.hint.empty());
    EXPECT_EQ(errno_error(EDQUOT, "cannot write", "x").code, Code::space);
    EXPECT_EQ(errno_error(EIO, "cannot write", "x", Code::store).code, Code::store);
    auto full = open_file("/dev/full", O_WRONLY);
    ASSERT_TRUE(full.ok());
    const auto written = write_all(full->get(), as_bytes("x"), "/dev/full");
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, Code::space);
    EXPECT_EQ(written.error().fact, "cannot write /dev/full: No space left on device");
}

TEST_F(File, GoesOnAfterAShortWrite) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const UniqueFd out(ends[0]), in(ends[1]);
    const std::string text(1'000'000, 'p');  // far more than a pipe holds
    std::string seen;
    const std::jthread reader([&] {
        char block[5000];
        while (seen.size() < text.size())
            seen.append(block, static_cast<std::size_t>(read(out.get(), block, sizeof block)));
    });
    EXPECT_TRUE(write_all(in.get(), as_bytes(text), "pipe").ok());
}

TEST_F(File, ReadsExactlyWhatWasAskedAtAnOffset) {
    std::ofstream(path("a")) << "0123456789";
    auto fd = open_file(path("a"), O_RDONLY);
    ASSERT_TRUE(fd.ok());
    std::array<std::byte, 4> block{};
    ASSERT_TRUE(pread_exact(fd->get(), block, 6, "a").ok());
    EXPECT_EQ(as_text(block), "6789");
    const auto past = pread_exact(fd->get(), block, 8, "a");
    ASSERT_FALSE(past.ok());
    EXPECT_EQ(past.error().code, Code::damaged);
    EXPECT_EQ(past.error().fact, "a ends at byte 10, 2 bytes too early");
}

TEST_F(File, ReadsASmallFileButNoLargerOne) {
    std::ofstream(path("a")) << std::string(20'000, 'a');
    EXPECT_TRUE(read_file(path("a"), 20'000).ok());
    const auto large = read_file(path("a"), 19'999);
    ASSERT_FALSE(large.ok());
    EXPECT_EQ(large.error().fact, path("a") + " is larger than 19999 bytes");
    EXPECT_FALSE(read_file(folder_, 10).ok());
}

TEST_F(File, MakesFoldersDownToAPathWithTheirMode) {
    ASSERT_TRUE(make_folders(path("a/b/c"), 0700).ok());
    ASSERT_TRUE(make_folders(path("a/b/c"), 0755).ok());
    struct stat info {};
    ASSERT_EQ(stat(path("a/b").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0700U);
    EXPECT_TRUE(sync_folder(path("a/b")).ok());
}

TEST_F(File, MakesNoFolderWhereAFileStands) {
    std::ofstream(path("a")) << "x";
    const auto made = make_folders(path("a/b"), 0700);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().fact, "cannot create the folder " + path("a") + ": Not a directory");
    EXPECT_FALSE(sync_folder(path("a")).ok());
}

TEST_F(File, TellsTheFreeSpace) {
    const auto space = free_space(folder_);
    ASSERT_TRUE(space.ok());
    EXPECT_GT(*space, 0U);
    EXPECT_FALSE(free_space(path("no")).ok());
}

TEST_F(File, RemovesATreeButNotWhatALinkPointsTo) {
    ASSERT_TRUE(make_folders(path("keep"), 0700).ok());
    std::ofstream(path("keep/file")) << "precious";
    ASSERT_TRUE(make_folders(path("tree/sub"), 0700).ok());
    std::filesystem::create_symlink(path("keep"), path("tree/sub/link"));
    EXPECT_TRUE(remove_tree(path("tree")).ok());
    EXPECT_FALSE(std::filesystem::exists(path("tree")));
    EXPECT_EQ(content(path("keep/file")), "precious");
    EXPECT_TRUE(remove_tree(path("tree")).ok()) << "a missing folder is success";
}

TEST_F(File, SaysWhatTheWholePathIs) {
    const auto absolute = absolute_path("rel/dir");
    ASSERT_TRUE(absolute.ok());
    EXPECT_EQ(*absolute, (std::filesystem::current_path() / "rel/dir").string());
    ASSERT_TRUE(make_folders(path("real"), 0700).ok());
    std::filesystem::create_symlink(path("real"), path("link"));
    const auto resolved = resolved_path(path("link/not/there"));
    ASSERT_TRUE(resolved.ok());
    EXPECT_EQ(*resolved, std::filesystem::canonical(folder_).string() + "/real/not/there");
}

TEST_F(File, SaysThatTheWorkingFolderIsGone) {
    const auto before = std::filesystem::current_path();
    ASSERT_TRUE(make_folders(path("gone"), 0700).ok());
    std::filesystem::current_path(path("gone"));
    std::filesystem::remove(path("gone"));
    const auto relative = resolved_path("rel/dir", Code::refused);
    const auto whole = resolved_path(folder_);
    std::filesystem::current_path(before);
    ASSERT_FALSE(relative.ok());
    EXPECT_EQ(relative.error().code, Code::refused);
    EXPECT_NE(relative.error().fact.find("rel/dir"), std::string::npos);
    EXPECT_NE(relative.error().hint.find("cd to one that exists"), std::string::npos);
    EXPECT_TRUE(whole.ok()) << "a whole path needs no working folder";
}

TEST_F(File, OwnsItsDescriptorOnce) {
    auto opened = open_file(folder_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(opened.ok());
    const int number = opened->get();
    UniqueFd first = std::move(*opened);
    UniqueFd second;
    second = std::move(first);
    EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.get(), number);
    second.reset();
    EXPECT_EQ(fcntl(number, F_GETFD), -1);
    EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace asb
