// Backups of real clusters, judged by starting a server on what arrived.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/text.hpp"
#include "engine/postgres/server_manifest.hpp"
#include "lib/collected_backup.hpp"
#include "lib/expectations.hpp"
#include "lib/postgres_backup_run.hpp"

namespace asb::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kThousandUsers =
    "CREATE TABLE users AS SELECT i AS id, 'user' || i || '@example.com' AS email "
    "FROM generate_series(1, 1000) i";
constexpr const char* kSumOfUsers =
    "SELECT count(*) || ' ' || sum(id) || ' ' || max(email) "
    "FROM users";

TEST(PostgresBackup, BringsEveryRowBackForTheLeastRole) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    server.sql(kThousandUsers);
    const std::string before = server.sql(kSumOfUsers);
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    const auto restored = backup.start();
    EXPECT_EQ(restored->sql(kSumOfUsers), before);
    EXPECT_EQ(restored->sql("SELECT rolreplication FROM pg_roles WHERE rolname = 'backup'"), "t");
}

TEST(PostgresBackup, StatesInItsFactsWhatItHolds) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    const Json& facts = run.facts.engine;
    EXPECT_EQ(facts.at("name"), "postgresql");
    EXPECT_EQ(facts.at("method"), "physical");
    EXPECT_EQ(facts.at("version_num"), std::stoi(server.sql("SHOW server_version_num")));
    EXPECT_EQ(facts.at("system_identifier"),
              server.sql("SELECT system_identifier FROM pg_control_system()"));
    EXPECT_EQ(facts.at("timeline"), 1);
    EXPECT_EQ(facts.at("wal_segment_bytes"), 16 * kMiB);
    EXPECT_EQ(facts.at("from_standby"), false);
    EXPECT_EQ(facts.at("page_checksums"), true);
    EXPECT_EQ(facts.at("tablespaces"), Json::array());
    EXPECT_TRUE(parse_iso8601(facts.at("consistent_at").get<std::string>()).ok());
    EXPECT_LT(parse_lsn(facts.at("start_lsn").get<std::string>()).value(),
              parse_lsn(facts.at("end_lsn").get<std::string>()).value());
    EXPECT_GT(facts.at("database_bytes").get<std::uint64_t>(), 20 * kMiB);
    EXPECT_GT(facts.at("files").get<int>(), 900);
    EXPECT_THAT(run.facts.incomplete, IsEmpty());
    EXPECT_THAT(run.facts.warnings, IsEmpty());
}

TEST(PostgresBackup, KeepsTheServersManifestAndWholeSegments) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    const auto manifest = parse_server_manifest(backup.content("postgresql/base/backup_manifest"));
    ASSERT_TRUE(manifest.ok()) << to_text(manifest.error());
    EXPECT_EQ(manifest.value().files.size(), run.facts.engine.at("files").get<std::size_t>());
    EXPECT_EQ(manifest.value().version, postgres_major() >= 17 ? 2U : 1U);
    for (const auto& [name, header] : backup.entries()) {
        if (name.starts_with("postgresql/wal/")) {
            EXPECT_EQ(header.size, 16 * kMiB) << name;
            EXPECT_EQ(name.size(), std::string("postgresql/wal/").size() + 24);
        }
    }
    EXPECT_EQ(backup.entries().count("postgresql/base/global/pg_control"), 1U);
    EXPECT_EQ(backup.entries().count("postgresql/base/backup_label"), 1U);
}

TEST(PostgresBackup, EntriesBelongToWhoOwnsTheCluster) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    const auto owner = backup.entries().at("postgresql/base/PG_VERSION").uid;
    for (const auto& [name, header] : backup.entries()) {
        EXPECT_EQ(header.uid, owner) << name;
        EXPECT_EQ(header.mode, header.type == EntryType::folder ? 0700U : 0600U) << name;
    }
}

TEST(PostgresBackup, LeavesNoSlotBehind) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    EXPECT_EQ(server.sql("SELECT count(*) FROM pg_replication_slots"), "0");
}

TEST(PostgresBackup, DryRunProvesAllAndLeavesNothing) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    const std::string before = server.sql("SELECT pg_current_wal_lsn()");
    {
        PostgresBackupRun run(backup_url(server));
        const auto session = run.open();
        ASSERT_TRUE(session.ok()) << to_text(session.error());
        EXPECT_GT(session.value()->expected_bytes(), 20 * kMiB);
        EXPECT_THAT(session.value()->plan(),
                    ElementsAre(AllOf(StartsWith("connected to 127.0.0.1:"),
                                      HasSubstr("as backup for replication (no TLS)")),
                                AllOf(HasSubstr("copy PostgreSQL"), HasSubstr("timeline 1")),
                                HasSubstr("page checksums on"), HasSubstr("temporary")));
        EXPECT_EQ(server.sql("SELECT count(*) FROM pg_replication_slots"), "0");
    }
    EXPECT_EQ(server.sql("SELECT pg_current_wal_lsn()"), before);
}

TEST(PostgresBackup, WorksThroughAUnixSocket) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    server.sql(kThousandUsers);
    CollectedBackup backup;
    PostgresBackupRun run(server.socket_url("backup", "backup-pw"));
    expect_ok(run.run(backup));
    EXPECT_EQ(backup.start()->sql("SELECT count(*) FROM users"), "1000");
}

TEST(PostgresBackup, BringsTablespacesBack) {
    PostgresServer server;
    const std::string place = server.folder() + "/elsewhere";
    run_as_postgres({"mkdir", "-m", "0700", place});
    server.sql(kCreateBackupRole);
    server.sql("CREATE TABLESPACE elsewhere LOCATION '" + place + "'");
    server.sql("CREATE TABLE far TABLESPACE elsewhere AS SELECT generate_series(1, 5000) AS i");
    const std::string oid = server.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'");
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    EXPECT_EQ(run.facts.engine.at("tablespaces"), Json({{{"oid", oid}, {"path", place}}}));
    EXPECT_EQ(backup.entries().count("postgresql/tablespaces/" + oid), 1U);
    server.stop();
    std::filesystem::remove_all(place);
    EXPECT_EQ(backup.start()->sql("SELECT sum(i) FROM far"), "12502500");
}

TEST(PostgresBackup, HoldsAConsistentPrefixOfWhatAWriterCommits) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    server.sql("CREATE TABLE a (n int PRIMARY KEY); CREATE TABLE b (n int PRIMARY KEY)");
    std::atomic<bool> writing = true;
    std::atomic<int> committed = 0;
    std::jthread writer([&] {
        auto connection = Connection::open(server.superuser_url(), {}, StopToken());
        while (writing && committed < 100'000) {
            const int n = committed + 1;
            const Status done = connection->execute(fmt::format(
                "BEGIN; INSERT INTO a VALUES ({0}); INSERT INTO b VALUES ({0}); COMMIT", n));
            if (!done.ok()) return;
            committed = n;
        }
    });
    while (committed < 100) std::this_thread::yield();
    const int before = committed;
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    const int afterwards = committed;
    writing = false;
    writer.join();
    const auto restored = backup.start();
    const int kept = std::stoi(restored->sql("SELECT max(n) FROM a"));
    EXPECT_GE(kept, before);
    EXPECT_LE(kept, afterwards + 1);
    EXPECT_EQ(restored->sql("SELECT count(*) FROM a"), std::to_string(kept));
    EXPECT_EQ(restored->sql("SELECT count(*) FROM (SELECT n FROM a EXCEPT SELECT n FROM b) d"),
              "0");
    EXPECT_EQ(restored->sql("SELECT count(*) FROM b"), std::to_string(kept));
}

TEST(PostgresBackup, CarriesManySegmentsOfAnySize) {
    PostgresServer server({.initdb_arguments = {"--wal-segsize=1", "--data-checksums"}});
    server.sql(kCreateBackupRole);
    server.sql("CREATE TABLE noise (t text)");
    CollectedBackup backup;
    bool written = false;
    backup.hook = [&](std::uint64_t bytes) -> Status {
        if (bytes > 1 * kMiB && !std::exchange(written, true))
            server.sql(
                "INSERT INTO noise SELECT repeat(md5(i::text), 30) "
                "FROM generate_series(1, 5000) i");
        return {};
    };
    PostgresBackupRun run(backup_url(server));
    expect_ok(run.run(backup));
    std::size_t segments = 0;
    for (const auto& [name, header] : backup.entries())
        if (name.starts_with("postgresql/wal/")) {
            ++segments;
            EXPECT_EQ(header.size, 1 * kMiB) << name;
        }
    EXPECT_GE(segments, 4U);
    EXPECT_EQ(backup.start()->sql("SELECT count(*) FROM noise"), "5000");
}

// A standby of `primary`, made from a backup of it.
std::unique_ptr<PostgresServer> make_standby(const PostgresServer& primary,
                                             CollectedBackup& backup) {
    PostgresBackupRun run(backup_url(primary));
    expect_ok(run.run(backup));
    EntryHeader signal{.name = "postgresql/base/standby.signal"};
    expect_ok(backup.begin(signal));
    expect_ok(backup.end());
    return backup.start({"primary_conninfo=" + primary.superuser_url(), "hot_standby=on"});
}

TEST(PostgresBackup, WorksFromAStandby) {
    PostgresServer primary;
    primary.sql(kCreateBackupRole);
    primary.sql(kThousandUsers);
    CollectedBackup first;
    const auto standby = make_standby(primary, first);
    primary.sql("INSERT INTO users VALUES (1001, 'late@example.com')");
    while (standby->sql("SELECT count(*) FROM users") != "1001") std::this_thread::yield();
    CollectedBackup second;
    PostgresBackupRun run(backup_url(*standby));
    expect_ok(run.run(second));
    EXPECT_EQ(run.facts.engine.at("from_standby"), true);
    EXPECT_EQ(second.entries().count("postgresql/base/standby.signal"), 1U);
    EXPECT_EQ(standby->sql("SELECT pg_is_in_recovery()"), "t");
    const auto restored = second.start();
    EXPECT_EQ(restored->sql("SELECT count(*) FROM users"), "1001");
}

TEST(PostgresBackup, AfterAPromotionCarriesTheTimelinesHistory) {
    PostgresServer primary;
    primary.sql(kCreateBackupRole);
    primary.sql(kThousandUsers);
    CollectedBackup first;
    const auto promoted = make_standby(primary, first);
    primary.stop();
    ASSERT_EQ(promoted->sql("SELECT pg_promote()"), "t");
    CollectedBackup second;
    PostgresBackupRun run(backup_url(*promoted));
    expect_ok(run.run(second));
    EXPECT_EQ(run.facts.engine.at("timeline"), 2);
    EXPECT_THAT(second.content("postgresql/wal/00000002.history"), HasSubstr("1\t0/"));
    EXPECT_EQ(second.start()->sql("SELECT count(*) FROM users"), "1000");
}

}  // namespace
}  // namespace asb::test
