// The lines of `check`, against real servers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/postgres_backup_run.hpp"
#include "lib/postgres_server.hpp"

namespace asb::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Verdict = CheckLine::Verdict;

std::vector<std::string> subjects(const std::vector<CheckLine>& lines) {
    std::vector<std::string> names;
    for (const CheckLine& line : lines) {
        const char* verdict = line.verdict == Verdict::ok     ? "ok "
                              : line.verdict == Verdict::warn ? "warn "
                                                              : "FAIL ";
        names.push_back(verdict + line.subject);
    }
    return names;
}

const CheckLine& line(const std::vector<CheckLine>& lines, const std::string& subject) {
    for (const CheckLine& candidate : lines)
        if (candidate.subject == subject) return candidate;
    throw std::runtime_error("no line " + subject);
}

TEST(PostgresCheck, IsAllOkForTheLeastRole) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    const auto lines = PostgresBackupRun(backup_url(server)).check();
    EXPECT_THAT(subjects(lines), ElementsAre("ok database connection", "ok server version",
                                             "ok role", "ok pg_hba.conf", "ok wal_level",
                                             "ok max_wal_senders", "ok max_replication_slots",
                                             "ok page checksums", "ok data size", "ok TLS"));
    EXPECT_THAT(line(lines, "server version").detail,
                HasSubstr(fmt::format("PostgreSQL {}.", postgres_major())));
    EXPECT_EQ(server.sql("SELECT count(*) FROM pg_replication_slots"), "0");
}

TEST(PostgresCheck, ARoleTooWeakGetsItsStatement) {
    PostgresServer server;
    server.sql("CREATE ROLE \"Back Up\" LOGIN PASSWORD 'backup-pw'");
    const auto lines = PostgresBackupRun(server.url("Back Up", "backup-pw")).check();
    const CheckLine& role = line(lines, "role");
    // Not FAIL: POSTGRES_BACKUP_METHOD=auto then takes logical backups.
    EXPECT_EQ(role.verdict, Verdict::warn);
    EXPECT_EQ(role.fix, "ALTER ROLE \"Back Up\" REPLICATION;");
    EXPECT_EQ(line(lines, "role passwords").verdict, Verdict::warn);
    EXPECT_EQ(line(lines, "databases").verdict, Verdict::ok);

    const auto physical = PostgresBackupRun(server.url("Back Up", "backup-pw"), "physical").check();
    EXPECT_EQ(line(physical, "role").verdict, Verdict::fail);
    EXPECT_EQ(line(physical, "role").code, Code::database);
    EXPECT_EQ(line(physical, "role").fix, "ALTER ROLE \"Back Up\" REPLICATION;");
}

TEST(PostgresCheck, AMissingHbaLineIsGivenLiterally) {
    PostgresServer server({.hba = {"host all all 127.0.0.1/32 scram-sha-256"}});
    server.sql(kCreateBackupRole);
    const auto lines = PostgresBackupRun(backup_url(server)).check();
    const CheckLine& hba = line(lines, "pg_hba.conf");
    EXPECT_EQ(hba.verdict, Verdict::fail);
    EXPECT_THAT(hba.fix, HasSubstr("host replication backup 127.0.0.1/32 scram-sha-256"));
    EXPECT_EQ(line(lines, "role").verdict, Verdict::ok);
}

TEST(PostgresCheck, WalLevelMinimalFailsWithItsStatement) {
    PostgresServer server({.settings = {"wal_level=minimal", "max_wal_senders=0"}});
    server.sql(kCreateBackupRole);
    const auto lines = PostgresBackupRun(backup_url(server)).check();
    EXPECT_EQ(line(lines, "wal_level").verdict, Verdict::fail);
    EXPECT_THAT(line(lines, "wal_level").fix, HasSubstr("ALTER SYSTEM SET wal_level = 'replica';"));
    EXPECT_EQ(line(lines, "max_wal_senders").verdict, Verdict::fail);
}

TEST(PostgresCheck, NoSlotFreeFails) {
    PostgresServer server({.settings = {"max_replication_slots=0"}});
    server.sql(kCreateBackupRole);
    const auto lines = PostgresBackupRun(backup_url(server)).check();
    EXPECT_EQ(line(lines, "max_replication_slots").verdict, Verdict::fail);
}

TEST(PostgresCheck, PageChecksumsOffIsAWarning) {
    PostgresServer server({.initdb_arguments = postgres_major() >= 18
                                                   ? std::vector<std::string>{"--no-data-checksums"}
                                                   : std::vector<std::string>{}});
    server.sql(kCreateBackupRole);
    const auto lines = PostgresBackupRun(backup_url(server)).check();
    EXPECT_EQ(line(lines, "page checksums").verdict, Verdict::warn);
    EXPECT_THAT(line(lines, "page checksums").fix, HasSubstr("pg_checksums --enable"));
}

TEST(PostgresCheck, AnUnreachableServerIsOneLine) {
    const auto lines = PostgresBackupRun("postgresql://backup@127.0.0.1:1/postgres").check();
    ASSERT_THAT(subjects(lines), ElementsAre("FAIL database connection"));
    EXPECT_THAT(lines.front().detail, HasSubstr("127.0.0.1:1"));
}

TEST(PostgresCheck, AnAddressThatIsNoneIsUsage) {
    const auto lines = PostgresBackupRun("").check();
    ASSERT_THAT(subjects(lines), ElementsAre("FAIL database connection"));
    EXPECT_EQ(lines.front().code, Code::usage);
}

}  // namespace
}  // namespace asb::test
