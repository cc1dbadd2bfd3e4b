#include "base/text.hpp"
#include "codec/tar.hpp"
#include "codec/tar_format.hpp"
#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::EntryList;
using test::FailsWith;
using test::run_tool;
using test::Succeeds;
using test::TempFolder;

const std::string kEnd(1024, '\0');

struct RawHeader {
    std::string name = "name";
    char type = '0';
    std::string size = "00000000000";
    std::string mtime = "00000000000";
    std::string uid = "0000000";
    std::string magic = std::string("ustar\00000", 8);
    std::string prefix = "";
    std::string mode = "0000644";
};

std::string raw_block(const RawHeader& header) {
    std::string block(512, '\0');
    const auto put = [&](std::size_t at, std::string_view text) {
        block.replace(at, text.size(), text);
    };
    put(0, header.name);
    put(100, header.mode);
    put(108, header.uid);
    put(116, "0000000");
    put(124, header.size);
    put(136, header.mtime);
    block[156] = header.type;
    put(257, header.magic);
    put(345, header.prefix);
    put(148, fmt::format("{:06o}\0 ", tar::checksum(as_bytes(block))));
    return block;
}

std::string padded(std::string data) {
    data.resize((data.size() + 511) / 512 * 512);
    return data;
}

std::string extended(char type, const std::string& records) {
    return raw_block({.name = "x", .type = type, .size = fmt::format("{:011o}", records.size())}) +
           padded(records);
}

Status parse(std::string_view tar, EntryList& list) {
    TarParser parser(list);
    ASB_CHECK(parser.feed(as_bytes(tar)));
    return parser.finish();
}

EntryList parse(std::string_view tar) {
    EntryList list;
    EXPECT_THAT(parse(tar, list), Succeeds());
    return list;
}

Status error_of(std::string_view tar) {
    EntryList list;
    return parse(tar, list);
}

EntryHeader only_header(std::string_view tar) {
    const auto list = parse(tar);
    EXPECT_EQ(list.entries.size(), 1U);
    return list.entries.empty() ? EntryHeader{} : list.entries[0].header;
}

// A folder with every kind of name, as a stock tar of each format packs it.
void read_stock_tar(const std::string& format, bool long_names) {
    const TempFolder temp;
    const std::string long_name = std::string(150, 'd') + "/" + std::string(149, 'f');
    std::string make = "cd " + temp.path() +
                       " && mkdir in && cd in && mkdir folder && printf hello"
                       " > folder/file && ln folder/file hard && ln -s ../else soft && printf x > "
                       "\"new\nline\" && printf y > \"$(printf 'not\\377utf8')\" && touch -d "
                       "'2023-11-14 22:13:20 UTC' . folder/file";
    if (long_names) make += " && mkdir " + std::string(150, 'd') + " && printf long > " + long_name;
    run_tool(make);
    const auto tar = run_tool("cd " + temp.path() + "/in && tar c --sort=name --format=" + format +
                              " --owner=ann:1000 --group=staff:1001 folder hard soft new* not* " +
                              (long_names ? "d*" : ""));
    const auto list = parse(tar);
    std::map<std::string, test::StoredEntry> by_name;
    for (const auto& entry : list.entries) by_name[entry.header.name] = entry;
    ASSERT_EQ(by_name.size(), long_names ? 8U : 6U);
    EXPECT_EQ(by_name["folder"].header.type, EntryType::folder);
    const auto& file = by_name["folder/file"];
    EXPECT_EQ(file.header.type, EntryType::file);
    EXPECT_EQ(file.data, "hello");
    EXPECT_EQ(file.header.mtime_seconds, 1'700'000'000);
    EXPECT_EQ(file.header.uid, 1000U);
    EXPECT_EQ(file.header.gid, 1001U);
    EXPECT_EQ(file.header.user_name, "ann");
    EXPECT_EQ(file.header.group_name, "staff");
    EXPECT_EQ(by_name["hard"].header.type, EntryType::hard_link);
    EXPECT_EQ(by_name["hard"].header.link_target, "folder/file");
    EXPECT_EQ(by_name["soft"].header.type, EntryType::symbolic_link);
    EXPECT_EQ(by_name["soft"].header.link_target, "../else");
    EXPECT_EQ(by_name["new\nline"].data, "x");
    EXPECT_EQ(by_name["not\xffutf8"].data, "y");
    if (long_names) {
        EXPECT_EQ(by_name[long_name].data, "long");
    }
}

TEST(TarParser, ReadsWhatGnuTarWritesAsPax) {
    read_stock_tar("pax", true);
}

TEST(TarParser, ReadsWhatGnuTarWritesInItsOwnFormat) {
    read_stock_tar("gnu", true);
}

TEST(TarParser, ReadsWhatGnuTarWritesAsUstar) {
    read_stock_tar("ustar", false);
}

TEST(TarParser, SkipsSparseFilesAsOther) {
    const TempFolder temp;
    run_tool("cd " + temp.path() + " && truncate -s 1M hole && printf end >> hole");
    const auto tar = run_tool("tar c --sparse --format=pax -C " + temp.path() + " hole");
    const auto header = only_header(tar);
    EXPECT_EQ(header.type, EntryType::other);
    EXPECT_EQ(header.size, 0U);
}

TEST(TarParser, PassesDataOnWithoutCopying) {
    struct Watcher final : EntrySink {
        const std::byte* seen = nullptr;
        Status begin(const EntryHeader&) override { return {}; }
        Status write(Bytes bytes) override {
            seen = bytes.data();
            return {};
        }
        Status end() override { return {}; }
    } watcher;
    const auto tar = raw_block({.size = "00000000005"}) + padded("hello") + kEnd;
    TarParser parser(watcher);
    ASSERT_THAT(parser.feed(as_bytes(tar)), Succeeds());
    EXPECT_EQ(watcher.seen, as_bytes(tar).data() + 512);
}

TEST(TarParser, TellsTheSinkWhereItsDataStands) {
    struct Watcher final : EntrySink {
        const TarParser* parser = nullptr;
        std::vector<std::uint64_t> begins, writes;
        Status begin(const EntryHeader&) override {
            begins.push_back(parser->offset());
            return {};
        }
        Status write(Bytes) override {
            writes.push_back(parser->offset());
            return {};
        }
        Status end() override { return {}; }
    };
    const auto tar = raw_block({.size = "00000000005"}) + padded("hello") +
                     raw_block({.size = "00000001000"}) + std::string(512, 'x') + kEnd;
    for (const std::size_t piece : {100U, 4096U}) {
        Watcher watcher;
        TarParser parser(watcher);
        watcher.parser = &parser;
        for (std::size_t at = 0; at < tar.size(); at += piece)
            ASSERT_THAT(parser.feed(as_bytes(std::string_view(tar).substr(at, piece))), Succeeds());
        EXPECT_EQ(watcher.begins, (std::vector<std::uint64_t>{512, 1536}));
        ASSERT_FALSE(watcher.writes.empty());
        EXPECT_EQ(watcher.writes.front(), 512U);
        EXPECT_EQ(watcher.writes.at(1), 1536U);
        EXPECT_EQ(parser.offset(), tar.size());
    }
}

TEST(TarParser, JoinsPrefixAndNameOnlyInUstar) {
    EXPECT_EQ(only_header(raw_block({.name = "n", .prefix = "p/q"}) + kEnd).name, "p/q/n");
    const std::string gnu_magic("ustar  \0", 8);
    EXPECT_EQ(only_header(raw_block({.name = "n", .magic = gnu_magic, .prefix = "p"}) + kEnd).name,
              "n");
}

TEST(TarParser, TakesATrailingSlashForAFolderAsOldTarsDid) {
    const auto header = only_header(raw_block({.name = "dir/", .type = '\0'}) + kEnd);
    EXPECT_EQ(header.name, "dir");
    EXPECT_EQ(header.type, EntryType::folder);
}

TEST(TarParser, ReadsBase256Numbers) {
    const std::string size("\x80\0\0\0\0\0\0\0\0\0\0\5", 12);
    const std::string before_1970("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
    const std::string uid("\x80\0\0\0\xff\xff\xff\xfe", 8);
    const auto header = only_header(raw_block({.size = size, .mtime = before_1970, .uid = uid}) +
                                    padded("hello") + kEnd);
    EXPECT_EQ(header.size, 5U);
    EXPECT_EQ(header.mtime_seconds, -2);
    EXPECT_EQ(header.uid, 4'294'967'294U);
}

TEST(TarParser, RefusesBase256NumbersThatAreNegativeOrTooLarge) {
    const std::string negative("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
    EXPECT_THAT(error_of(raw_block({.size = negative})),
                FailsWith(Code::damaged, "the size is not a number"));
    for (const auto& size : {std::string("\x80\0\0\1\0\0\0\0\0\0\0\0", 12),
                             std::string("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)})
        EXPECT_THAT(error_of(raw_block({.size = size})),
                    FailsWith(Code::damaged, "the size is not a number"));
}

TEST(TarParser, ReadsNumbersPaddedWithSpaces) {
    const auto header =
        only_header(raw_block({.size = "         5 ", .uid = "    17 "}) + padded("hello") + kEnd);
    EXPECT_EQ(header.size, 5U);
    EXPECT_EQ(header.uid, 15U);
}

TEST(TarParser, RefusesANumberThatIsNotOne) {
    EXPECT_THAT(error_of(raw_block({.size = "0000000009x"})),
                FailsWith(Code::damaged, "the size is not a number"));
    EXPECT_THAT(error_of(raw_block({.mtime = "0000 000001"})),
                FailsWith(Code::damaged, "the mtime is not a number"));
    EXPECT_THAT(error_of(raw_block({.mode = "rw-r--r"})),
                FailsWith(Code::damaged, "the mode is not a number"));
    EXPECT_THAT(error_of(raw_block({.uid = "00-0001"})),
                FailsWith(Code::damaged, "the uid is not a number"));
}

TEST(TarParser, RefusesABadChecksumWithItsOffset) {
    auto tar = raw_block({.size = "00000000001"}) + padded("x") + raw_block({}) + kEnd;
    tar[1024 + 3] ^= 1;
    EXPECT_THAT(error_of(tar),
                FailsWith(Code::damaged, "damaged at byte 1024: the header has a wrong checksum"));
}

TEST(TarParser, RefusesEveryFlippedBitOfAHeader) {
    const auto good = raw_block({.name = "some name", .size = "00000000000"}) + kEnd;
    for (std::size_t bit = 0; bit < 8 * std::size_t{512}; ++bit) {
        // In the checksum itself a leading zero may be a space, and what closes it carries nothing.
        if (bit == 8 * 148 + 4 || bit / 8 == 154 || bit / 8 == 155) continue;
        auto tar = good;
        tar[bit / 8] =
            static_cast<char>(static_cast<unsigned char>(tar[bit / 8]) ^ (1U << (bit % 8)));
        EXPECT_FALSE(error_of(tar).ok()) << bit;
    }
}

TEST(TarParser, RefusesAStreamThatEndsAtAnyByteBeforeItsEnd) {
    const auto tar = extended('x', "12 path=abc\n") + raw_block({.size = "00000000005"}) +
                     padded("hello") + kEnd;
    for (std::size_t kept = 0; kept < tar.size(); ++kept) {
        EntryList list;
        EXPECT_THAT(parse(std::string_view(tar).substr(0, kept), list),
                    FailsWith(Code::damaged, fmt::format("ends at byte {}", kept)));
    }
    EXPECT_EQ(parse(tar).entries.at(0).header.name, "abc");
}

TEST(TarParser, AllowsZerosBehindTheEndButNoData) {
    EXPECT_TRUE(parse(kEnd + std::string(9000, '\0')).entries.empty());
    EXPECT_THAT(error_of(kEnd + std::string(100, '\0') + "x"),
                FailsWith(Code::damaged, "data follows the end of the archive"));
    EXPECT_THAT(error_of(kEnd.substr(512) + raw_block({})),
                FailsWith(Code::damaged, "damaged at byte 512: data follows a zero block"));
}

TEST(TarParser, GivesUnknownTypesAsOtherAndSkipsTheirData) {
    const auto tar = raw_block({.name = "fifo", .type = '6'}) +
                     raw_block({.name = "new", .type = 'Z', .size = "00000000005"}) +
                     padded("hello") + raw_block({.name = "after"}) + kEnd;
    const auto list = parse(tar);
    ASSERT_EQ(list.entries.size(), 3U);
    EXPECT_EQ(list.entries[0].header.type, EntryType::other);
    EXPECT_EQ(list.entries[1].header.type, EntryType::other);
    EXPECT_EQ(list.entries[1].data, "");
    EXPECT_EQ(list.entries[2].header.name, "after");
}

TEST(TarParser, AppliesPaxRecordsToTheNextEntryOnly) {
    const auto tar = extended('x', "14 mtime=-1.5\n16 path=instead\n10 size=3\n9 uid=12\n") +
                     raw_block({.name = "a"}) + padded("xyz") + raw_block({.name = "b"}) + kEnd;
    const auto list = parse(tar);
    ASSERT_EQ(list.entries.size(), 2U);
    EXPECT_EQ(list.entries[0].header.name, "instead");
    EXPECT_EQ(list.entries[0].header.mtime_seconds, -2);
    EXPECT_EQ(list.entries[0].header.mtime_nanoseconds, 500'000'000U);
    EXPECT_EQ(list.entries[0].header.uid, 12U);
    EXPECT_EQ(list.entries[0].data, "xyz");
    EXPECT_EQ(list.entries[1].header.name, "b");
    EXPECT_EQ(list.entries[1].header.mtime_seconds, 0);
}

TEST(TarParser, AppliesGlobalPaxRecordsUntilTheyAreTakenBack) {
    const auto tar = extended('g', "13 uname=all\n") + raw_block({.name = "a"}) +
                     extended('x', "13 uname=one\n") + raw_block({.name = "b"}) +
                     raw_block({.name = "c"}) + extended('g', "9 uname=\n") +
                     raw_block({.name = "d"}) + kEnd;
    std::vector<std::string> names;
    for (const auto& entry : parse(tar).entries) names.push_back(entry.header.user_name);
    EXPECT_EQ(names, (std::vector<std::string>{"all", "one", "all", ""}));
}

TEST(TarParser, RefusesMalformedPaxRecords) {
    for (const auto* records :
         {"path=abc\n", "12 path=abc", "13 path=abc\n", "99 path=abc\n", "7 path\n", "6 =abc\n",
          "0 a=b\n", "-6 a=b\n", "99999999999999999999999 a=b\n", "3 \n", " a=b\n"})
        EXPECT_THAT(error_of(extended('x', records) + raw_block({}) + kEnd),
                    FailsWith(Code::damaged, "damaged at byte 512: a pax record"))
            << records;
}

TEST(TarParser, RefusesPaxValuesThatAreNotWhatTheyShouldBe) {
    EXPECT_THAT(error_of(extended('x', "11 size=1x\n") + raw_block({}) + kEnd),
                FailsWith(Code::damaged, "the size '1x' is not a number"));
    EXPECT_THAT(error_of(extended('x', "28 size=9223372036854775808\n") + raw_block({}) + kEnd),
                FailsWith(Code::damaged, "is not a number"));
    for (const auto* record : {"12 mtime=1.x\n", "11 mtime=--\n", "12 mtime=abc\n"})
        EXPECT_THAT(error_of(extended('x', fmt::format("{}", record)) + raw_block({}) + kEnd),
                    FailsWith(Code::damaged, ""))
            << record;
    EXPECT_THAT(error_of(extended('x', std::string("12 path=a\0b\n", 12)) + raw_block({}) + kEnd),
                FailsWith(Code::damaged, "a name holds a NUL byte"));
}

TEST(TarParser, RefusesAnExtendedHeaderOverItsBoundOrWithoutAnEntry) {
    const auto size = fmt::format("{:011o}", TarParser::kExtendedHeaderBytesMax + 1);
    for (const char type : {'x', 'g', 'L', 'K'})
        EXPECT_THAT(error_of(raw_block({.type = type, .size = size})),
                    FailsWith(Code::damaged, "an extended header of more than 1048576 bytes"));
    EXPECT_THAT(error_of(extended('x', "12 path=abc\n") + kEnd),
                FailsWith(Code::damaged, "an extended header has no entry behind it"));
}

TEST(TarParser, TakesAnEmptyExtendedHeader) {
    EXPECT_EQ(only_header(extended('x', "") + raw_block({.name = "a"}) + kEnd).name, "a");
}

TEST(TarParser, PassesOnTheErrorOfTheSink) {
    struct Refuser final : EntrySink {
        Status begin(const EntryHeader& header) override {
            return fail(Code::refused, "no {} here", header.name);
        }
        Status write(Bytes) override { return {}; }
        Status end() override { return {}; }
    } refuser;
    TarParser parser(refuser);
    EXPECT_THAT(parser.feed(as_bytes(raw_block({.name = "tea"}))),
                FailsWith(Code::refused, "no tea here"));
}

TEST(PaxRecord, CountsItsOwnLength) {
    EXPECT_EQ(tar::pax_record("a", "b"), "6 a=b\n");
    for (std::size_t size = 0; size < 1200; ++size) {
        const auto record = tar::pax_record("path", std::string(size, 'x'));
        EXPECT_EQ(record.substr(0, record.find(' ')), std::to_string(record.size()));
    }
}

TEST(PaxTime, RoundTripsOnBothSidesOf1970) {
    for (const auto seconds : {std::int64_t{-86'400}, std::int64_t{-2}, std::int64_t{-1},
                               std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 40}) {
        for (const auto nanoseconds : {0U, 1U, 999'999'999U}) {
            const auto text = tar::pax_time({seconds, nanoseconds});
            const auto time = tar::parse_pax_time(text);
            ASSERT_TRUE(time.ok()) << text;
            EXPECT_EQ(time.value().seconds, seconds) << text;
            EXPECT_EQ(time.value().nanoseconds, nanoseconds) << text;
        }
    }
    EXPECT_EQ(tar::pax_time({-1, 500'000'000}), "-0.500000000");
}

}  // namespace
}  // namespace asb
