#include "engine/postgres/archive_intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/digest.hpp"

namespace asb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Collects "name=content" in order; a folder is "name/".
class CollectingSink final : public EntrySink {
  public:
    std::vector<std::string> entries;
    std::vector<EntryHeader> headers;
    Status begin(const EntryHeader& header) override {
        headers.push_back(header);
        entries.push_back(header.name + (header.type == EntryType::folder ? "/" : "="));
        return {};
    }
    Status write(Bytes bytes) override {
        entries.back().append(as_text(bytes));
        return {};
    }
    Status end() override { return {}; }
};

class StringSink final : public ByteSink {
  public:
    std::string text;
    Status write(Bytes bytes) override {
        text.append(as_text(bytes));
        return {};
    }
    Status finish() override { return {}; }
};

struct File {
    std::string name;
    std::string content;
    EntryType type = EntryType::file;
};

std::string tar(const std::vector<File>& files) {
    StringSink sink;
    TarWriter writer(sink);
    for (const File& file : files) {
        EntryHeader header{.name = file.name, .type = file.type, .size = file.content.size()};
        header.uid = 101;
        header.user_name = "postgres";
        if (file.type == EntryType::symbolic_link) header.link_target = "/elsewhere";
        EXPECT_TRUE(writer.begin(header).ok());
        EXPECT_TRUE(writer.write(as_bytes(file.content)).ok());
        EXPECT_TRUE(writer.end().ok());
    }
    EXPECT_TRUE(writer.finish().ok());
    return sink.text;
}

std::string manifest(const std::vector<File>& files) {
    std::string text = "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [";
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::uint32_t crc = crc32c(0, as_bytes(files[i].content));
        text += fmt::format(
            "{}{{\"Path\": \"{}\", \"Size\": {}, \"Checksum-Algorithm\": "
            "\"CRC32C\", \"Checksum\": \"{:08x}\"}}",
            i == 0 ? "" : ",", files[i].name, files[i].content.size(), __builtin_bswap32(crc));
    }
    text += "],\n\"WAL-Ranges\": [],\n";
    return text + "\"Manifest-Checksum\": \"" + to_hex(sha256(as_bytes(text))) + "\"}\n";
}

class ArchiveIntakeTest : public ::testing::Test {
  protected:
    Status begin(std::string_view name) { return intake_.take(ArchiveBegins{name, ""}); }
    Status data(const std::string& text) { return intake_.take(ArchiveData{as_bytes(text)}); }
    // In pieces of 700 bytes, which no boundary of tar agrees with.
    Status pieces(const std::string& text) {
        for (std::size_t at = 0; at < text.size(); at += 700) ASB_CHECK(data(text.substr(at, 700)));
        return {};
    }
    CollectingSink sink_;
    Progress progress_;
    ArchiveIntake intake_{sink_, progress_};
};

TEST_F(ArchiveIntakeTest, GivesTablespacesBaseAndManifestTheirPlaces) {
    const std::string far(2000, 'f');
    ASSERT_TRUE(begin("16384.tar").ok());
    ASSERT_TRUE(pieces(tar({{"PG_15", "", EntryType::folder}, {"PG_15/1", far}})).ok());
    ASSERT_TRUE(begin("base.tar").ok());
    ASSERT_TRUE(pieces(tar({{"backup_label", "START"}, {"./global/pg_control", "ctl"}})).ok());
    ASSERT_TRUE(intake_.take(ManifestBegins{}).ok());
    const std::string text = manifest({{"backup_label", "START"},
                                       {"global/pg_control", "ctl"},
                                       {"pg_tblspc/16384/PG_15/1", far}});
    ASSERT_TRUE(pieces(text).ok());
    const auto finished = intake_.finish();
    ASSERT_TRUE(finished.ok()) << to_text(finished.error());
    EXPECT_THAT(
        sink_.entries,
        ElementsAre("postgresql/tablespaces/16384/", "postgresql/tablespaces/16384/PG_15/",
                    "postgresql/tablespaces/16384/PG_15/1=" + far, "postgresql/base/",
                    "postgresql/base/backup_label=START", "postgresql/base/global/pg_control=ctl",
                    "postgresql/base/backup_manifest=" + text));
    for (const EntryHeader& header : sink_.headers) {
        EXPECT_EQ(header.uid, 101U) << header.name;
        EXPECT_EQ(header.user_name, "postgres") << header.name;
    }
    EXPECT_EQ(intake_.files(), 3U);
    EXPECT_EQ(intake_.bytes(), 2008U);
}

TEST_F(ArchiveIntakeTest, TheRootsOwnEntryIsTheFolder) {
    ASSERT_TRUE(begin("base.tar").ok());
    ASSERT_TRUE(data(tar({{"a", "1"}})).ok());
    EXPECT_THAT(sink_.entries, ElementsAre("postgresql/base/", "postgresql/base/a=1"));
}

TEST_F(ArchiveIntakeTest, AFileThatIsNotInTheManifestIsDamage) {
    ASSERT_TRUE(begin("base.tar").ok());
    ASSERT_TRUE(data(tar({{"a", "1"}, {"b", "2"}})).ok());
    ASSERT_TRUE(intake_.take(ManifestBegins{}).ok());
    ASSERT_TRUE(data(manifest({{"a", "1"}})).ok());
    const auto finished = intake_.finish();
    ASSERT_FALSE(finished.ok());
    EXPECT_EQ(finished.error().code, Code::damaged);
    EXPECT_THAT(finished.error().fact, HasSubstr("b arrived but does not stand"));
}

TEST_F(ArchiveIntakeTest, ABitChangedOnTheWayIsDamage) {
    ASSERT_TRUE(begin("base.tar").ok());
    ASSERT_TRUE(data(tar({{"a", "0"}})).ok());
    ASSERT_TRUE(intake_.take(ManifestBegins{}).ok());
    ASSERT_TRUE(data(manifest({{"a", "1"}})).ok());
    EXPECT_THAT(intake_.finish().error().fact, HasSubstr("a arrived with other contents"));
}

TEST_F(ArchiveIntakeTest, AnArchiveCutShortIsDamage) {
    ASSERT_TRUE(begin("base.tar").ok());
    ASSERT_TRUE(data(tar({{"a", "1"}}).substr(0, 512)).ok());
    EXPECT_EQ(intake_.take(ManifestBegins{}).error().code, Code::damaged);
}

TEST_F(ArchiveIntakeTest, NamesThatLeaveTheFolderAreRefused) {
    ASSERT_TRUE(begin("base.tar").ok());
    EXPECT_FALSE(data(tar({{"../evil", "1"}})).ok());
    for (const std::string& entry : sink_.entries) EXPECT_THAT(entry, Not(HasSubstr("evil")));
}

TEST_F(ArchiveIntakeTest, LinksAreRefused) {
    ASSERT_TRUE(begin("base.tar").ok());
    EXPECT_THAT(data(tar({{"pg_wal", "", EntryType::symbolic_link}})).error().fact,
                HasSubstr("pg_wal, which is neither a file nor a folder"));
}

TEST_F(ArchiveIntakeTest, WhatIsOutOfOrderIsRefused) {
    EXPECT_FALSE(begin("../x.tar").ok());
    EXPECT_FALSE(begin("base.tar.gz").ok());
    EXPECT_FALSE(data("early").ok());
    EXPECT_FALSE(intake_.finish().ok());
    ASSERT_TRUE(intake_.take(ManifestBegins{}).ok());
    EXPECT_FALSE(intake_.take(ManifestBegins{}).ok());
    EXPECT_FALSE(begin("base.tar").ok());
}

TEST_F(ArchiveIntakeTest, CountsBytesForProgress) {
    ASSERT_TRUE(begin("base.tar").ok());
    const std::string text = tar({{"a", "1"}});
    ASSERT_TRUE(data(text).ok());
    EXPECT_EQ(progress_.snapshot().bytes, text.size());
}

}  // namespace
}  // namespace asb
