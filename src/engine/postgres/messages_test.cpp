#include "engine/postgres/messages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"

namespace asb {
namespace {

using std::string_literals::operator""s;

Bytes bytes(const std::string& text) {
    return as_bytes(text);
}

TEST(BackupMessage, AnArchiveHasANameAndATablespacesPath) {
    const std::string text = "n16384.tar\0/srv/far\0"s;
    const auto message = parse_backup_message(bytes(text));
    ASSERT_TRUE(message.ok());
    const auto& archive = std::get<ArchiveBegins>(message.value());
    EXPECT_EQ(archive.name, "16384.tar");
    EXPECT_EQ(archive.tablespace_path, "/srv/far");
}

TEST(BackupMessage, TheBaseArchiveHasAnEmptyPath) {
    const std::string text = "nbase.tar\0\0"s;
    const auto message = parse_backup_message(bytes(text));
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(std::get<ArchiveBegins>(message.value()).name, "base.tar");
    EXPECT_EQ(std::get<ArchiveBegins>(message.value()).tablespace_path, "");
}

TEST(BackupMessage, DataIsEverythingAfterTheTagWithoutACopy) {
    const std::string text = "dpage\0bytes"s;
    const auto message = parse_backup_message(bytes(text));
    ASSERT_TRUE(message.ok());
    const Bytes data = std::get<ArchiveData>(message.value()).bytes;
    EXPECT_EQ(as_text(data), "page\0bytes"s);
    EXPECT_EQ(as_text(data).data(), text.data() + 1);
}

TEST(BackupMessage, ProgressIsBigEndian) {
    const auto message = parse_backup_message(bytes("p\0\0\0\1\0\0\2\3"s));
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(std::get<BackupProgress>(message.value()).bytes_done, 0x100000203U);
}

TEST(BackupMessage, TheManifestBeginsWithABareTag) {
    const auto message = parse_backup_message(bytes("m"));
    ASSERT_TRUE(message.ok());
    EXPECT_TRUE(std::holds_alternative<ManifestBegins>(message.value()));
}

TEST(BackupMessage, RefusesWhatIsNotDocumented) {
    for (const std::string& text :
         {""s, "x"s, "n"s, "nbase.tar"s, "nbase.tar\0"s, "nbase.tar\0\0\0"s, "n\0/path\0"s,
          "nbase.tar\0/open"s, "p\0\0\0\0\0\0\0"s, "p\0\0\0\0\0\0\0\0\0"s, "m\0"s}) {
        const auto message = parse_backup_message(bytes(text));
        ASSERT_FALSE(message.ok()) << to_hex(bytes(text));
        EXPECT_EQ(message.error().code, Code::database);
    }
}

TEST(ReplicationMessage, WalHasTwoPositionsAClockAndBytes) {
    const std::string text = "w\0\0\0\2\1\0\0\0\0\0\0\2\2\0\0\0\0\0\0\0\0\0\0\0wal"s;
    const auto message = parse_replication_message(bytes(text));
    ASSERT_TRUE(message.ok());
    const auto& wal = std::get<WalData>(message.value());
    EXPECT_EQ(to_text(wal.start), "2/1000000");
    EXPECT_EQ(to_text(wal.server_end), "2/2000000");
    EXPECT_EQ(as_text(wal.bytes), "wal");
}

TEST(ReplicationMessage, AKeepaliveMayAskForAReply) {
    const std::string head = "k\0\0\0\0\3\0\0\x28\0\0\0\0\0\0\0\0"s;
    const auto asked = parse_replication_message(bytes(head + '\1'));
    const auto quiet = parse_replication_message(bytes(head + '\0'));
    ASSERT_TRUE(asked.ok() && quiet.ok());
    EXPECT_EQ(to_text(std::get<Keepalive>(asked.value()).server_end), "0/3000028");
    EXPECT_TRUE(std::get<Keepalive>(asked.value()).reply_requested);
    EXPECT_FALSE(std::get<Keepalive>(quiet.value()).reply_requested);
}

TEST(ReplicationMessage, RefusesWhatIsNotDocumented) {
    for (const std::string& text :
         {""s, "z"s, "w"s, std::string("w") + std::string(23, '\0'), "k"s,
          std::string("k") + std::string(16, '\0'), std::string("k") + std::string(18, '\0')})
        EXPECT_FALSE(parse_replication_message(bytes(text)).ok()) << to_hex(bytes(text));
}

TEST(StatusUpdate, SaysWrittenAndFlushedButNeverApplied) {
    const Instant at = parse_iso8601("2000-01-01T00:00:01.000Z").value();
    const auto message = status_update(Lsn{0x0000000203000028}, Lsn{0x0000000203000028}, at);
    EXPECT_EQ(to_hex(Bytes(message)),
              "72"
              "0000000203000028"
              "0000000203000028"
              "0000000000000000"
              "00000000000f4240"
              "00");
}

}  // namespace
}  // namespace asb
