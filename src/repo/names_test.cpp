#include "repo/names.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

TEST(Names, AreTheOnesUsersKnow) {
    const Instant instant{std::chrono::milliseconds(1705284000999)};
    EXPECT_EQ(backup_name(instant), "auth-service-backup-20240115_020000");
    EXPECT_EQ(body_key("auth-service-backup-20240115_020000", true, true).text(),
              "auth-service-backup-20240115_020000.tar.gz.enc");
    EXPECT_EQ(body_suffix(false, true), ".tar.enc");
    EXPECT_EQ(body_suffix(true, false), ".tar.gz");
    EXPECT_EQ(body_suffix(false, false), ".tar");
}

TEST(Names, OnlyTheirOwnShapeIsABackup) {
    EXPECT_TRUE(is_backup_name("auth-service-backup-20240115_020000"));
    EXPECT_FALSE(is_backup_name("auth-service-backup-20240115_02000"));
    EXPECT_FALSE(is_backup_name("auth-service-backup-20240115-020000"));
    EXPECT_FALSE(is_backup_name("auth-service-backup-2024011a_020000"));
    EXPECT_FALSE(is_backup_name("other-20240115_020000"));
}

TEST(Names, LoseWhicheverSuffixTheyHave) {
    for (const char* suffix :
         {".tar.gz.enc", ".tar.enc", ".tar.gz", ".tar", ".index", ".manifest.json", ""})
        EXPECT_EQ(without_suffix(std::string("name") + suffix), "name");
}

}  // namespace
}  // namespace asb
