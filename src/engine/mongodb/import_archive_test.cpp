#include "engine/mongodb/import_archive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "engine/mongodb/import_parts.hpp"

namespace asb::mongodb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string word(std::uint32_t value) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
    return bytes;
}

std::string numbered(std::int32_t n) {
    return BsonWriter().add_int32("_id", n).finish();
}

std::string turn(std::string_view database, std::string_view name, bool last, std::uint64_t crc) {
    return BsonWriter()
        .add_text("db", database)
        .add_text("collection", name)
        .add_bool("EOF", last)
        .add_int64("CRC", static_cast<std::int64_t>(crc))
        .finish();
}

std::string announcement(std::string_view database, std::string_view name, std::string_view type) {
    return BsonWriter()
        .add_text("db", database)
        .add_text("collection", name)
        .add_text("metadata", "{}")
        .add_text("type", type)
        .finish();
}

// Two collections that take turns, a view, a time series and the oplog.
std::string archive(std::uint64_t crc_of_users) {
    const auto end = word(kArchiveTerminator);
    const auto crc = [](const std::string& documents) {
        return archive_crc(0, as_bytes(documents));
    };
    const auto header = BsonWriter()
                            .add_text("version", "0.1")
                            .add_text("server_version", "8.2.11")
                            .add_text("tool_version", "100.12")
                            .finish();
    return word(kArchiveMagic) + header + announcement("auth", "users", "collection") +
           announcement("auth", "empty", "collection") + announcement("auth", "seen", "view") +
           announcement("auth", "heat", "timeseries") + announcement("", "oplog", "") + end +
           turn("auth", "users", false, 0) + numbered(1) + numbered(2) + end +
           turn("auth", "system.buckets.heat", false, 0) + numbered(7) + end +
           turn("auth", "system.buckets.heat", true, crc(numbered(7))) + end +
           turn("auth", "users", false, 0) + numbered(3) + end +
           turn("auth", "users", true, crc_of_users) + end + turn("auth", "empty", true, 0) + end +
           turn("", "oplog", false, 0) + numbered(9) + end +
           turn("", "oplog", true, crc(numbered(9))) + end;
}

std::string archive() {
    return archive(archive_crc(0, as_bytes(numbered(1) + numbered(2) + numbered(3))));
}

// Writes down each entry as "name:bytes".
class Recorder final : public EntrySink {
  public:
    Status begin(const EntryHeader& header) override {
        entries.push_back(fmt::format("{}:{}", header.name, header.size));
        return {};
    }
    Status write(Bytes /*bytes*/) override { return {}; }
    Status end() override { return {}; }
    std::vector<std::string> entries;
};

Status read(const std::string& bytes, EntrySink& sink, std::size_t piece = 1 << 20) {
    ArchiveEntries entries(sink);
    ArchiveParser parser(entries);
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        ASB_CHECK(parser.feed(as_bytes(std::string_view(bytes).substr(at, piece))));
    return parser.finish();
}

std::string error_of(const std::string& bytes) {
    Recorder recorder;
    const auto done = read(bytes, recorder);
    EXPECT_FALSE(done.ok());
    return done.ok() ? "" : done.error().fact;
}

TEST(MongodumpArchive, ChecksumIsTheOneThatTheFormatNames) {
    EXPECT_EQ(archive_crc(0, as_bytes("123456789")), 0x995dc9bbdf1939faU);
    EXPECT_EQ(archive_crc(archive_crc(0, as_bytes("1234")), as_bytes("56789")),
              0x995dc9bbdf1939faU);
}

TEST(MongodumpArchive, BecomesTheEntriesOfABackupWhateverThePiecesAre) {
    for (const std::size_t piece : {1U, 2U, 7U, 100U, 1U << 20U}) {
        Recorder recorder;
        ASSERT_TRUE(read(archive(), recorder, piece).ok()) << piece;
        EXPECT_THAT(
            recorder.entries,
            ElementsAre("mongodb/prelude.json:49", "mongodb/auth/users.metadata.json:2",
                        "mongodb/auth/empty.metadata.json:2", "mongodb/auth/seen.metadata.json:2",
                        "mongodb/auth/heat.metadata.json:2", "mongodb/auth/users.bson.000001:28",
                        "mongodb/auth/system.buckets.heat.bson.000001:14",
                        "mongodb/auth/users.bson.000002:14", "mongodb/auth/empty.bson:0",
                        "mongodb/oplog.bson.000001:14"));
    }
}

TEST(MongodumpArchive, CutAnywhereIsDamaged) {
    const auto whole = archive();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        Recorder recorder;
        const auto done = read(whole.substr(0, size), recorder);
        ASSERT_FALSE(done.ok()) << size;
        EXPECT_EQ(done.error().code, Code::damaged) << size;
    }
}

TEST(MongodumpArchive, WrongChecksumNamesTheCollection) {
    EXPECT_THAT(error_of(archive(1)), HasSubstr("the checksum of auth.users is wrong"));
}

TEST(MongodumpArchive, WhatIsNoArchiveSaysSo) {
    EXPECT_THAT(error_of("\x1f\x8b something else"),
                HasSubstr("offset 0 of the mongodump archive: it does not begin as"));
}

TEST(MongodumpArchive, DocumentsOfNobodyAreRefused) {
    const auto header = BsonWriter().add_text("version", "0.1").finish();
    EXPECT_THAT(error_of(word(kArchiveMagic) + header + word(kArchiveTerminator) +
                         turn("auth", "users", false, 0)),
                HasSubstr("auth.users was not announced"));
}

TEST(MongodumpArchive, ADocumentLargerThanAnyIsRefusedBeforeItIsRead) {
    EXPECT_THAT(error_of(word(kArchiveMagic) + word(0x7fffffff)),
                HasSubstr("a document of 2147483647 bytes cannot be"));
}

TEST(MongodumpArchive, AnotherVersionOfTheFormatIsNamed) {
    const auto header = BsonWriter().add_text("version", "0.2").finish();
    EXPECT_THAT(error_of(word(kArchiveMagic) + header), HasSubstr("has format version '0.2'"));
}

}  // namespace
}  // namespace asb::mongodb
