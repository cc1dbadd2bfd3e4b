#include "base/text.hpp"
#include "codec/tar.hpp"
#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::EntryList;
using test::FailsWith;
using test::MemorySink;
using test::StoredEntry;
using test::Succeeds;

const std::string kLongName = "folder/" + std::string(200, 'n') + "/" + std::string(93, 'x');
const std::string kSplitName = std::string(120, 'p') + "/" + std::string(100, 'n');

StoredEntry file(std::string name, std::string data) {
    StoredEntry entry;
    entry.header = {.name = std::move(name),
                    .size = data.size(),
                    .mode = 0640,
                    .uid = 1000,
                    .gid = 1001,
                    .user_name = "ann",
                    .group_name = "staff",
                    .mtime_seconds = 1'700'000'000};
    entry.data = std::move(data);
    return entry;
}

StoredEntry folder(std::string name) {
    auto entry = file(std::move(name), "");
    entry.header.type = EntryType::folder;
    entry.header.mode = 0700;
    return entry;
}

StoredEntry link(std::string name, std::string target, EntryType type) {
    auto entry = file(std::move(name), "");
    entry.header.type = type;
    entry.header.link_target = std::move(target);
    return entry;
}

std::string write_tar(const std::vector<StoredEntry>& entries) {
    MemorySink sink;
    TarWriter writer(sink);
    for (const auto& entry : entries) {
        EXPECT_THAT(writer.begin(entry.header), Succeeds());
        EXPECT_THAT(writer.write(as_bytes(entry.data)), Succeeds());
        EXPECT_THAT(writer.end(), Succeeds());
    }
    EXPECT_THAT(writer.finish(), Succeeds());
    EXPECT_TRUE(sink.finished);
    EXPECT_EQ(writer.offset(), sink.data.size());
    return std::string(as_text(sink.data));
}

EntryList parse(std::string_view tar, std::size_t piece_bytes = 1'000'000) {
    EntryList list;
    TarParser parser(list);
    for (std::size_t at = 0; at < tar.size(); at += piece_bytes)
        EXPECT_THAT(parser.feed(as_bytes(tar.substr(at, piece_bytes))), Succeeds());
    EXPECT_THAT(parser.finish(), Succeeds());
    return list;
}

void expect_same(const StoredEntry& read, const StoredEntry& written) {
    const auto& a = read.header;
    const auto& b = written.header;
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.type, b.type) << b.name;
    EXPECT_EQ(a.size, b.size) << b.name;
    EXPECT_EQ(a.link_target, b.link_target) << b.name;
    EXPECT_EQ(a.mode, b.mode) << b.name;
    EXPECT_EQ(a.uid, b.uid) << b.name;
    EXPECT_EQ(a.gid, b.gid) << b.name;
    EXPECT_EQ(a.user_name, b.user_name) << b.name;
    EXPECT_EQ(a.group_name, b.group_name) << b.name;
    EXPECT_EQ(a.mtime_seconds, b.mtime_seconds) << b.name;
    EXPECT_EQ(a.mtime_nanoseconds, b.mtime_nanoseconds) << b.name;
    EXPECT_EQ(read.data, written.data) << b.name;
}

std::vector<StoredEntry> every_kind() {
    std::vector<StoredEntry> entries = {
        folder("data"),
        file("data/empty", ""),
        file("data/block", std::string(512, 'b')),
        file("data/more", std::string(513, 'm')),
        file(std::string(100, 'h'), "a hundred bytes of name"),
        file(std::string(101, 'h'), "one more, no slash"),
        file(kSplitName, "prefix and name"),
        file(kLongName, "pax"),
        folder(kLongName + "-folder"),
        file("new\nline", "x"),
        file("\xc3\xa9t\xc3\xa9", "utf-8"),
        file("\xff\xfe-not-utf-8", "bytes"),
        link("data/soft", "../elsewhere", EntryType::symbolic_link),
        link("data/hard", "data/more", EntryType::hard_link),
        link("data/far", kLongName, EntryType::symbolic_link),
        link("data/bytes", "\xff\xfe-not-utf-8", EntryType::symbolic_link)};
    auto extreme = file("extreme", "numbers");
    extreme.header.uid = 4'294'967'294;
    extreme.header.gid = 2'097'152;
    extreme.header.mtime_nanoseconds = 5;
    extreme.header.mode = 04755;
    extreme.header.user_name = std::string(40, 'u');
    extreme.header.group_name =
        "gr\xc3\xbc"
        "n";
    entries.push_back(extreme);
    auto old = file("old", "before 1970");
    old.header.mtime_seconds = -2;
    old.header.mtime_nanoseconds = 500'000'000;
    entries.push_back(old);
    auto far_future = file("future", "after 2242");
    far_future.header.mtime_seconds = 8'589'934'592;
    entries.push_back(far_future);
    return entries;
}

TEST(TarWriter, WritesWhatTheParserReadsInPiecesOfAnySize) {
    const auto entries = every_kind();
    const auto tar = write_tar(entries);
    EXPECT_EQ(tar.size() % 512, 0U);
    for (const std::size_t piece : {1U, 7U, 511U, 512U, 513U, 1'000'000U}) {
        const auto list = parse(tar, piece);
        ASSERT_EQ(list.entries.size(), entries.size());
        for (std::size_t i = 0; i < entries.size(); ++i) expect_same(list.entries[i], entries[i]);
    }
}

TEST(TarWriter, WritesWhatGnuTarUnpacks) {
    const test::TempFolder temp;
    auto entries = every_kind();
    std::erase_if(entries, [](const auto& entry) {
        return entry.header.name.find("/n") != std::string::npos;  // folders that are not there
    });
    entries.push_back(file(kLongName, "pax"));
    test::write_file(temp / "a.tar", test::data_of(write_tar(entries)));
    const auto out = temp / "out";
    std::filesystem::create_directory(out);
    test::run_tool("tar xf " + temp / "a.tar" + " -C " + out + " --no-same-owner 2>&1");
    for (const auto& entry : entries) {
        const auto path = out + "/" + entry.header.name;
        const auto status = std::filesystem::symlink_status(path);
        if (entry.header.type == EntryType::file) {
            std::ifstream stream(path, std::ios::binary);
            const std::string data((std::istreambuf_iterator<char>(stream)), {});
            EXPECT_EQ(data, entry.data) << entry.header.name;
        } else if (entry.header.type == EntryType::symbolic_link) {
            EXPECT_EQ(std::filesystem::read_symlink(path).string(), entry.header.link_target);
        } else {
            EXPECT_TRUE(std::filesystem::exists(status)) << entry.header.name;
        }
    }
    EXPECT_EQ(std::filesystem::hard_link_count(out + "/data/more"), 2U);
    struct stat info {};
    ASSERT_EQ(stat((out + "/old").c_str(), &info), 0);
    EXPECT_EQ(info.st_mtim.tv_sec, -2);
    EXPECT_EQ(info.st_mtim.tv_nsec, 500'000'000);
    ASSERT_EQ(stat((out + "/data/block").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0640U);
}

TEST(TarWriter, WritesOwnersAndTimesThatGnuTarLists) {
    const test::TempFolder temp;
    auto entry = file("extreme", "x");
    entry.header.uid = 4'294'967'294;
    entry.header.mtime_nanoseconds = 250'000'000;
    test::write_file(temp / "a.tar", test::data_of(write_tar({entry})));
    EXPECT_EQ(test::run_tool("TZ=UTC tar tvf " + temp / "a.tar" + " --numeric-owner --full-time"),
              "-rw-r----- 4294967294/1001   1 2023-11-14 22:13:20.25 extreme\n");
}

TEST(TarWriter, UsesNoPaxHeaderWhereUstarIsEnough) {
    const auto tar = write_tar({file(kSplitName, "12345")});
    EXPECT_EQ(tar.size(), 512U + 512 + 1024);
    EXPECT_EQ(tar.substr(257, 8), std::string("ustar\00000", 8));
    EXPECT_EQ(tar.substr(0, 100), std::string(100, 'n'));
    EXPECT_EQ(tar.substr(345, 120), std::string(120, 'p'));
    EXPECT_EQ(tar[156], '0');
    EXPECT_EQ(tar.substr(124, 12), std::string("00000000005\0", 12));
}

TEST(TarWriter, PutsTheCharacterSetBeforeANameThatIsNotUtf8) {
    const auto tar = write_tar({file("\xff", "")});
    EXPECT_EQ(tar[156], 'x');
    EXPECT_EQ(tar.substr(0, 12), std::string("PaxHeaders/0"));
    EXPECT_EQ(tar.substr(512, 30), "21 hdrcharset=BINARY\n9 path=\xff\n");
}

TEST(TarWriter, GivesSizesFrom8GiBOnAPaxRecord) {
    EntryList list;
    TarParser parser(list);
    MemorySink sink;
    TarWriter writer(sink);
    auto entry = file("huge", "");
    entry.header.size = 8 * kGiB;
    ASSERT_THAT(writer.begin(entry.header), Succeeds());
    ASSERT_EQ(sink.data.size(), 3 * 512U);
    EXPECT_EQ(as_text(sink.data).substr(512, 19), "19 size=8589934592\n");
    ASSERT_THAT(parser.feed(sink.data), Succeeds());
    EXPECT_EQ(list.entries.at(0).header.size, 8 * kGiB);
    sink.data.clear();
    entry.header.size = 8 * kGiB - 1;
    TarWriter second(sink);
    ASSERT_THAT(second.begin(entry.header), Succeeds());
    EXPECT_EQ(sink.data.size(), 512U);
}

TEST(TarWriter, RefusesNamesAndTypesThatNoArchiveHolds) {
    MemorySink sink;
    TarWriter writer(sink);
    EXPECT_THAT(writer.begin({.name = ""}), FailsWith(Code::failed, "is not a name"));
    EXPECT_THAT(writer.begin({.name = std::string("a\0b", 3)}),
                FailsWith(Code::failed, "'a\\x00b' is not a name"));
    EXPECT_THAT(writer.begin({.name = "socket", .type = EntryType::other}),
                FailsWith(Code::failed, "'socket' is of a type"));
    EXPECT_TRUE(sink.data.empty());
}

TEST(TarWriter, PassesOnTheErrorOfTheNextSink) {
    test::FailingSink next(1);
    TarWriter writer(next);
    ASSERT_THAT(writer.begin(file("a", "b").header), Succeeds());
    EXPECT_THAT(writer.write(as_bytes("b")), FailsWith(Code::space, "the disk is full"));
}

TEST(TarWriterDeathTest, EndsTheProcessWhenAnEntryGetsMoreOrLessThanItsSize) {
    MemorySink sink;
    TarWriter writer(sink);
    ASSERT_THAT(writer.begin(file("a", "bc").header), Succeeds());
    EXPECT_DEATH((void)writer.end().ok(), "assertion failed");
    EXPECT_DEATH((void)writer.write(as_bytes("bcd")).ok(), "assertion failed");
}

}  // namespace
}  // namespace asb
