// Faults in the middle of a backup: nothing may pass for a backup, and nothing may stay behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "lib/collected_backup.hpp"
#include "lib/postgres_backup_run.hpp"

namespace asb::test {
namespace {

using ::testing::HasSubstr;

// The slot's own backend ends a moment after the connection does.
void expect_no_slot(const PostgresServer& server) {
    const Deadline deadline = after(std::chrono::seconds(10));
    while (server.sql("SELECT count(*) FROM pg_replication_slots") != "0") {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "a slot stayed behind";
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

// Runs `act` once, when the copy is under way.
auto in_the_middle(std::function<void()> act) {
    return [act = std::move(act), done = false](std::uint64_t bytes) mutable -> Status {
        if (bytes > 4 * kMiB && !std::exchange(done, true)) act();
        return {};
    };
}

TEST(PostgresFaults, APageWhoseChecksumIsWrongNamesItsFile) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    server.sql("CREATE TABLE broken AS SELECT generate_series(1, 10000) AS i");
    const std::string path = server.sql("SELECT pg_relation_filepath('broken')");
    server.stop();
    std::fstream file(server.data() + "/" + path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192 + 4000);
    file.write("XXXX", 4);
    file.close();
    server.start();
    const Error error = PostgresBackupRun(backup_url(server)).error();
    EXPECT_EQ(error.code, Code::damaged);
    EXPECT_THAT(error.fact, HasSubstr("checksum is wrong: " + path));
    expect_no_slot(server);
}

TEST(PostgresFaults, AStopRequestEndsItAtOnceAndLeavesNoSlot) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    PostgresBackupRun run(backup_url(server));
    CollectedBackup backup;
    backup.hook = in_the_middle([&] { run.stop.request(); });
    const Status status = run.run(backup);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::interrupted);
    EXPECT_LT(backup.bytes(), 16 * kMiB);
    expect_no_slot(server);
}

TEST(PostgresFaults, AStopRequestEndsAWaitForTheServer) {
    PostgresServer server;
    const StopToken stop;
    auto connection = Connection::open(server.superuser_url(), {}, stop);
    ASSERT_TRUE(connection.ok()) << to_text(connection.error());
    const std::jthread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        stop.request();
    });
    const auto began = std::chrono::steady_clock::now();
    const Status status = connection->execute("SELECT pg_sleep(30)");
    EXPECT_EQ(status.error().code, Code::interrupted);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST(PostgresFaults, ADeadlineEndsAWaitForTheServer) {
    PostgresServer server;
    auto connection = Connection::open(server.superuser_url(), {}, StopToken());
    ASSERT_TRUE(connection.ok()) << to_text(connection.error());
    const Status status =
        connection->execute("SELECT pg_sleep(30)", after(std::chrono::milliseconds(200)));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::database);
    EXPECT_THAT(status.error().fact, HasSubstr("no answer from the database at"));
}

TEST(PostgresFaults, ACutConnectionIsNoBackup) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    PostgresBackupRun run(backup_url(server));
    CollectedBackup backup;
    backup.hook = in_the_middle(
        [&] { server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication"); });
    const Status status = run.run(backup);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::database);
    EXPECT_TRUE(status.error().retryable);
    EXPECT_THAT(status.error().fact, HasSubstr("broke"));
    expect_no_slot(server);
}

TEST(PostgresFaults, AServerStoppedInTheMiddleIsNoBackup) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    PostgresBackupRun run(backup_url(server));
    CollectedBackup backup;
    backup.hook = in_the_middle([&] { server.stop(); });
    const Status status = run.run(backup);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::database);
    server.start();
    expect_no_slot(server);
}

TEST(PostgresFaults, AnErrorOfTheSinkIsPassedOnAndLeavesNoSlot) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    PostgresBackupRun run(backup_url(server));
    CollectedBackup backup;
    backup.hook = [](std::uint64_t bytes) -> Status {
        if (bytes > 4 * kMiB) return fail(Code::space, "no room");
        return {};
    };
    const Status status = run.run(backup);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::space);
    expect_no_slot(server);
}

TEST(PostgresFaults, ASlowStoreDoesNotLoseTheServer) {
    PostgresServer server({.settings = {"wal_sender_timeout=1s"}});
    server.sql(kCreateBackupRole);
    CollectedBackup backup;
    bool slept = false;
    backup.hook = [&](std::uint64_t) -> Status {
        if (!backup.entries().rbegin()->first.starts_with("postgresql/wal/0") ||
            std::exchange(slept, true))
            return {};
        std::this_thread::sleep_for(std::chrono::seconds(3));
        return {};
    };
    PostgresBackupRun run(backup_url(server));
    const Status status = run.run(backup);
    EXPECT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_TRUE(slept);
}

TEST(PostgresFaults, AStandbyPromotedInTheMiddleIsNoBackup) {
    PostgresServer primary;
    primary.sql(kCreateBackupRole);
    CollectedBackup first;
    ASSERT_TRUE(PostgresBackupRun(backup_url(primary)).run(first).ok());
    ASSERT_TRUE(first.begin({.name = "postgresql/base/standby.signal"}).ok());
    ASSERT_TRUE(first.end().ok());
    const auto standby = first.start({"primary_conninfo=" + primary.superuser_url()});
    CollectedBackup second;
    second.hook = in_the_middle([&] { standby->sql("SELECT pg_promote()"); });
    PostgresBackupRun run(backup_url(*standby));
    const Status status = run.run(second);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::database);
    EXPECT_THAT(status.error().fact, HasSubstr("promoted"));
    EXPECT_THAT(status.error().hint, HasSubstr("run the backup again"));
}

}  // namespace
}  // namespace asb::test
