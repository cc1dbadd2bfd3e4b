#include "engine/postgres/file_ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/digest.hpp"

namespace asb {
namespace {

using ::testing::HasSubstr;

// CRC-32C of "123456789" is e3069283 (RFC 3720 B.4's check value); the manifest spells its bytes in
// memory order.
constexpr std::string_view kContent = "123456789";
constexpr const char* kSpelt = "839206e3";

FileLedger::Entry arrived(std::string path) {
    return {
        .path = std::move(path), .size = kContent.size(), .crc32c = crc32c(0, as_bytes(kContent))};
}

ServerManifest::File expected(std::string path) {
    return {.path = std::move(path),
            .size = kContent.size(),
            .checksum_algorithm = "CRC32C",
            .checksum = kSpelt};
}

ServerManifest manifest_of(std::vector<ServerManifest::File> files) {
    ServerManifest manifest;
    manifest.files = std::move(files);
    return manifest;
}

void expect_damaged(const Status& status, const char* fact) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::damaged);
    EXPECT_THAT(status.error().fact, HasSubstr(fact));
}

TEST(FileLedger, AcceptsExactlyTheManifestInAnyOrder) {
    FileLedger ledger;
    ledger.add(arrived("b"));
    ledger.add(arrived("a"));
    auto manifest = manifest_of({expected("a"), expected("b")});
    EXPECT_TRUE(ledger.compare(manifest).ok());
    EXPECT_EQ(ledger.files(), 2U);
    EXPECT_EQ(ledger.bytes(), 18U);
}

TEST(FileLedger, NamesAFileThatDidNotArrive) {
    FileLedger ledger;
    ledger.add(arrived("b"));
    auto manifest = manifest_of({expected("a"), expected("b")});
    expect_damaged(ledger.compare(manifest),
                   "a stands in the server's manifest but did not arrive");
    auto last = manifest_of({expected("b"), expected("c")});
    expect_damaged(ledger.compare(last), "c stands in the server's manifest but did not arrive");
}

TEST(FileLedger, NamesAForeignFile) {
    FileLedger ledger;
    ledger.add(arrived("a"));
    ledger.add(arrived("b"));
    auto manifest = manifest_of({expected("a")});
    expect_damaged(ledger.compare(manifest), "b arrived but does not stand");
}

TEST(FileLedger, NamesAFileThatCameTwice) {
    FileLedger ledger;
    ledger.add(arrived("a"));
    ledger.add(arrived("a"));
    auto manifest = manifest_of({expected("a")});
    expect_damaged(ledger.compare(manifest), "a arrived twice");
}

TEST(FileLedger, NamesAFileOfAnotherSize) {
    FileLedger ledger;
    ledger.add({.path = "a", .size = 8, .crc32c = 0});
    auto manifest = manifest_of({expected("a")});
    expect_damaged(ledger.compare(manifest),
                   "a arrived with 8 bytes, the server's manifest says 9");
}

TEST(FileLedger, NamesAFileOfOtherContents) {
    FileLedger ledger;
    ledger.add({.path = "a", .size = 9, .crc32c = 1});
    auto manifest = manifest_of({expected("a")});
    expect_damaged(ledger.compare(manifest), "a arrived with other contents");
}

TEST(FileLedger, AFileWithoutAChecksumProvesNothing) {
    FileLedger ledger;
    ledger.add(arrived("a"));
    auto manifest =
        manifest_of({{.path = "a", .size = 9, .checksum_algorithm = "", .checksum = ""}});
    expect_damaged(ledger.compare(manifest), "a has no CRC32C");
}

}  // namespace
}  // namespace asb
