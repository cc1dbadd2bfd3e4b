#include "io/file_filler.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>

namespace asb {
namespace {

class FileFillerTest : public testing::Test {
  public:
    FileFillerTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
    ~FileFillerTest() override { EXPECT_TRUE(remove_tree(folder_).ok()); }

  protected:
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
    [[nodiscard]] UniqueFd create(const std::string& name) const {
        auto fd = open_file(path(name), O_WRONLY | O_CREAT | O_EXCL);
        EXPECT_TRUE(fd.ok());
        return std::move(fd).value();
    }
    // Bytes in which every position differs from those near it.
    static std::string pattern(std::size_t size) {
        std::string text(size, '\0');
        for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 4099);
        return text;
    }
    void fill(FileFiller& filler, const std::string& name, const std::string& text,
              std::size_t piece) const {
        filler.begin(create(name), path(name));
        for (std::size_t at = 0; at < text.size(); at += piece)
            ASSERT_TRUE(filler.write(as_bytes(std::string_view(text).substr(at, piece))).ok());
        ASSERT_TRUE(filler.end().ok());
    }
    void expect_file(const std::string& name, const std::string& text) const {
        const auto read = read_file(path(name), text.size() + 1);
        ASSERT_TRUE(read.ok());
        EXPECT_TRUE(read.value() == text) << name;
    }

    std::string folder_ = "/tmp/asb-file-filler-XXXXXX";
};

TEST_F(FileFillerTest, WritesFilesOfEverySizeWholeAndInOrder) {
    FileFiller filler;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{1 * kMiB},
          std::size_t{4 * kMiB}, std::size_t{4 * kMiB + 1}, std::size_t{13 * kMiB + 4097}}) {
        const auto name = fmt::format("file{}", size);
        const auto text = pattern(size);
        fill(filler, name, text, 300'007);
        expect_file(name, text);
    }
}

TEST_F(FileFillerTest, KeepsWhatWasWrittenBeforeAnAlignedBlock) {
    DirectFile file(create("mixed"), path("mixed"));
    const auto head = pattern(4096);
    Buffer block(2 * kMiB);
    block.append(as_bytes(pattern(2 * kMiB)));
    ASSERT_TRUE(file.append(as_bytes(head)).ok());
    ASSERT_TRUE(file.append(block.view()).ok());
    ASSERT_TRUE(file.append(as_bytes(std::string_view("end"))).ok());
    EXPECT_EQ(file.size(), 4096 + 2 * kMiB + 3);
    expect_file("mixed", fmt::format("{}{}end", head, pattern(2 * kMiB)));
}

TEST_F(FileFillerTest, SaysThatTheDiskRefusedABlock) {
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 6 * kMiB;
    ASSERT_NE(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    {
        FileFiller filler;
        filler.begin(create("large"), path("large"));
        Status status;
        for (int piece = 0; piece < 16 && status.ok(); ++piece)
            status = filler.write(as_bytes(pattern(kMiB)));
        if (status.ok()) status = filler.end();
        EXPECT_FALSE(status.ok());
        EXPECT_THAT(status.error().fact, testing::HasSubstr("large: File too large"));
        EXPECT_FALSE(filler.end().ok());
    }
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
}

}  // namespace
}  // namespace asb
