#include "engine/postgres/server_manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/digest.hpp"

namespace asb {
namespace {

using ::testing::HasSubstr;

// A manifest around `middle`, with a right checksum of its own, as the server lays it out.
std::string manifest(const std::string& middle) {
    const std::string checked = "{ " + middle + ",\n";
    return checked + "\"Manifest-Checksum\": \"" + to_hex(sha256(as_bytes(checked))) + "\"}\n";
}

constexpr const char* kVersion1 =
    "\"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n"
    "{ \"Path\": \"backup_label\", \"Size\": 225, \"Last-Modified\": \"2026-11-22 16:00:00 GMT\", "
    "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"24bcd812\" },\n"
    "{ \"Encoded-Path\": \"62617365ff\", \"Size\": 0, \"Last-Modified\": \"2026-11-22 16:00:00 "
    "GMT\" }\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": 3, \"Start-LSN\": \"0/2000028\", \"End-LSN\": "
    "\"1/2000100\" }\n]";

TEST(ServerManifest, ReadsVersion1) {
    const auto read = parse_server_manifest(manifest(kVersion1));
    ASSERT_TRUE(read.ok()) << to_text(read.error());
    const ServerManifest& parsed = read.value();
    EXPECT_EQ(parsed.version, 1U);
    EXPECT_EQ(parsed.system_identifier, 0U);
    ASSERT_EQ(parsed.files.size(), 2U);
    EXPECT_EQ(parsed.files[0].path, "backup_label");
    EXPECT_EQ(parsed.files[0].size, 225U);
    EXPECT_EQ(parsed.files[0].checksum_algorithm, "CRC32C");
    EXPECT_EQ(parsed.files[0].checksum, "24bcd812");
    EXPECT_EQ(parsed.files[1].path, "base\xff");
    EXPECT_EQ(parsed.files[1].checksum_algorithm, "");
    ASSERT_EQ(parsed.wal_ranges.size(), 1U);
    EXPECT_EQ(parsed.wal_ranges[0].timeline, 3U);
    EXPECT_EQ(to_text(parsed.wal_ranges[0].start), "0/2000028");
    EXPECT_EQ(to_text(parsed.wal_ranges[0].end), "1/2000100");
}

TEST(ServerManifest, ReadsVersion2WithItsSystem) {
    const auto read = parse_server_manifest(
        manifest("\"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": "
                 "7412345678901234567,\n\"Files\": [],\n\"WAL-Ranges\": []"));
    ASSERT_TRUE(read.ok()) << to_text(read.error());
    EXPECT_EQ(read.value().system_identifier, 7412345678901234567U);
}

TEST(ServerManifest, AnyChangedByteIsFound) {
    const std::string good = manifest(kVersion1);
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string changed = good;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        const auto read = parse_server_manifest(changed);
        ASSERT_FALSE(read.ok()) << "byte " << i;
        EXPECT_EQ(read.error().code, Code::damaged);
    }
}

TEST(ServerManifest, AnyTruncationIsFound) {
    const std::string good = manifest(kVersion1);
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(parse_server_manifest(good.substr(0, size)).ok()) << size;
}

TEST(ServerManifest, RefusesAnotherShape) {
    for (const char* middle :
         {"\"PostgreSQL-Backup-Manifest-Version\": 3", "\"Files\": []",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [1]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [[]]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [{\"Size\": 1}]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [{\"Path\": \"a\"}]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [{\"Path\": \"a\", \"Size\": -1}]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [{\"Path\": \"a\", \"Size\": {}}]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Other\": []",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"WAL-Ranges\": [{\"End-LSN\": \"x\"}]",
          "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Files\": [{\"Encoded-Path\": \"zz\"}]",
          "\"PostgreSQL-Backup-Manifest-Version\": true"}) {
        const auto read = parse_server_manifest(manifest(middle));
        ASSERT_FALSE(read.ok()) << middle;
        EXPECT_EQ(read.error().code, Code::damaged);
        EXPECT_THAT(read.error().fact, HasSubstr("backup_manifest is damaged"));
    }
}

TEST(ServerManifest, ReadsAHundredThousandFiles) {
    std::string files;
    for (int i = 0; i < 100'000; ++i)
        files += fmt::format(
            "{}{{ \"Path\": \"base/5/{}\", \"Size\": 8192, \"Last-Modified\": "
            "\"2026-11-22 16:00:00 GMT\", \"Checksum-Algorithm\": \"CRC32C\", "
            "\"Checksum\": \"{:08x}\" }}",
            i == 0 ? "" : ",\n", i, i);
    const auto read = parse_server_manifest(
        manifest("\"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n" + files +
                 "\n],\n\"WAL-Ranges\": []"));
    ASSERT_TRUE(read.ok()) << to_text(read.error());
    EXPECT_EQ(read.value().files.size(), 100'000U);
    EXPECT_EQ(read.value().files.back().path, "base/5/99999");
}

}  // namespace
}  // namespace asb
