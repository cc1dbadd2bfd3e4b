// What an operator reads when the database does not let a backup in, against real servers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/collected_backup.hpp"
#include "lib/postgres_backup_run.hpp"

namespace asb::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Error backup_error(const std::string& url) {
    return PostgresBackupRun(url).error();
}

TEST(PostgresAccess, NamesTheAddressWhenNobodyListens) {
    const Error error = backup_error("postgresql://backup:secret-pw@127.0.0.1:1/postgres");
    EXPECT_EQ(error.code, Code::database);
    EXPECT_THAT(error.fact, HasSubstr("cannot reach the database at 127.0.0.1:1: Connection "
                                      "refused"));
    EXPECT_TRUE(error.retryable);
    EXPECT_THAT(to_text(error), Not(HasSubstr("secret-pw")));
}

TEST(PostgresAccess, NamesTheSocketWhenNobodyListens) {
    const Error error = backup_error("postgresql://backup@/postgres?host=/nonexistent&port=5432");
    EXPECT_THAT(error.fact, HasSubstr("/nonexistent (port 5432)"));
    EXPECT_THAT(error.hint, HasSubstr("unix_socket_directories"));
}

TEST(PostgresAccess, AWrongPasswordIsSaidWithoutShowingIt) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    const Error error = backup_error(server.url("backup", "wrong-pw"));
    EXPECT_EQ(error.code, Code::database);
    EXPECT_THAT(error.fact, HasSubstr("password authentication failed for user \"backup\""));
    EXPECT_THAT(error.hint, HasSubstr("ALTER ROLE \"backup\" PASSWORD"));
    EXPECT_THAT(to_text(error), Not(HasSubstr("wrong-pw")));
}

TEST(PostgresAccess, AMissingPasswordIsSaid) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    const Error error = backup_error(fmt::format(
        "postgresql://backup@127.0.0.1:{}/postgres?passfile=/nonexistent", server.port()));
    EXPECT_THAT(error.fact, HasSubstr("no password supplied"));
    EXPECT_THAT(error.hint, HasSubstr("PGPASSFILE"));
}

TEST(PostgresAccess, AMissingHbaLineIsGivenLiterallyAndMendsIt) {
    PostgresServer server({.hba = {"host all all 127.0.0.1/32 scram-sha-256"}});
    server.sql(kCreateBackupRole);
    const std::string url = backup_url(server);
    const Error error = backup_error(url);
    EXPECT_EQ(error.code, Code::database);
    const std::string line = "host replication backup 127.0.0.1/32 scram-sha-256";
    EXPECT_THAT(error.hint, AllOf(HasSubstr(line), HasSubstr("SELECT pg_reload_conf();")));
    server.write_hba({line});
    server.reload();
    CollectedBackup backup;
    const Status mended = PostgresBackupRun(url).run(backup);
    EXPECT_TRUE(mended.ok()) << to_text(mended.error());
}

TEST(PostgresAccess, AMissingHbaLineForTheSocketIsALocalOne) {
    PostgresServer server({.hba = {"local all all scram-sha-256"}});
    server.sql(kCreateBackupRole);
    const Error error = backup_error(server.socket_url("backup", "backup-pw"));
    EXPECT_THAT(error.hint, HasSubstr("local replication backup scram-sha-256"));
}

TEST(PostgresAccess, ARoleTooWeakIsToldWhatItLacks) {
    PostgresServer server;
    server.sql("CREATE ROLE backup LOGIN PASSWORD 'backup-pw'");
    const Error error = PostgresBackupRun(backup_url(server), "physical").error();
    EXPECT_EQ(error.code, Code::database);
    EXPECT_EQ(error.hint, "ALTER ROLE \"backup\" REPLICATION;");
    server.sql(error.hint);
    CollectedBackup backup;
    EXPECT_TRUE(PostgresBackupRun(backup_url(server)).run(backup).ok());
}

TEST(PostgresAccess, WorksWhereOnlyReplicationIsLetIn) {
    PostgresServer server({.hba = {"host replication backup 127.0.0.1/32 scram-sha-256"}});
    server.sql(kCreateBackupRole);
    CollectedBackup backup;
    PostgresBackupRun run(backup_url(server));
    const Status status = run.run(backup);
    EXPECT_TRUE(status.ok()) << to_text(status.error());
}

TEST(PostgresAccess, NoSlotFreeIsToldBeforeAnythingIsCopied) {
    PostgresServer server({.settings = {"max_replication_slots=0"}});
    server.sql(kCreateBackupRole);
    PostgresBackupRun run(backup_url(server));
    const auto session = run.open();
    ASSERT_FALSE(session.ok());
    EXPECT_EQ(session.error().code, Code::database);
    EXPECT_THAT(session.error().hint, HasSubstr("max_replication_slots = 10"));
}

TEST(PostgresAccess, NoWalSenderFreeIsTold) {
    PostgresServer server({.settings = {"max_wal_senders=0"}});
    server.sql(kCreateBackupRole);
    const Error error = backup_error(backup_url(server));
    EXPECT_EQ(error.code, Code::database);
    EXPECT_THAT(error.hint, HasSubstr("max_wal_senders = 10"));
}

TEST(PostgresAccess, WalLevelMinimalIsTold) {
    PostgresServer server({.settings = {"wal_level=minimal", "max_wal_senders=0"}});
    server.sql(kCreateBackupRole);
    const Error error = backup_error(backup_url(server));
    EXPECT_EQ(error.code, Code::database);
    EXPECT_THAT(error.hint, HasSubstr("wal_level = 'replica'"));
}

// A server certificate for `name`, signed by an authority of its own: ca.crt, server.crt,
// server.key in the server's folder.
void make_certificates(const std::string& folder, const std::string& name) {
    const std::string script = fmt::format(
        "cd {} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout "
        "ca.key -out ca.crt && openssl req -newkey rsa:2048 -nodes -subj /CN={} -keyout server.key "
        "-out server.csr && printf 'subjectAltName=IP:127.0.0.1' > ext && openssl x509 -req -in "
        "server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt "
        "&& chmod 0600 server.key",
        folder, name);
    run_as_postgres({"sh", "-c", script});
}

class PostgresTls : public ::testing::Test {
  protected:
    PostgresTls() {
        make_certificates(server_.folder(), "127.0.0.1");
        server_.sql(kCreateBackupRole);
        server_.sql("ALTER SYSTEM SET ssl_cert_file = '" + server_.folder() + "/server.crt'");
        server_.sql("ALTER SYSTEM SET ssl_key_file = '" + server_.folder() + "/server.key'");
        server_.sql("ALTER SYSTEM SET ssl = on");
        server_.write_hba({"hostssl all all 127.0.0.1/32 scram-sha-256",
                           "hostssl replication all 127.0.0.1/32 scram-sha-256"});
        server_.stop();
        server_.start();
    }
    [[nodiscard]] std::string url(const std::string& parameters) const {
        return server_.url("backup", "backup-pw", parameters);
    }
    PostgresServer server_;
};

TEST_F(PostgresTls, BacksUpWithTheServersIdentityVerified) {
    CollectedBackup backup;
    PostgresBackupRun run(url("sslmode=verify-full&sslrootcert=" + server_.folder() + "/ca.crt"));
    const Status status = run.run(backup);
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_EQ(backup.start({"ssl=off"})->sql("SELECT 1"), "1");
}

TEST_F(PostgresTls, RefusesAServerOfAnotherAuthority) {
    make_certificates(server_.folder(), "other");  // ca.crt is another one from now on
    const Error error =
        backup_error(url("sslmode=verify-full&sslrootcert=" + server_.folder() + "/ca.crt"));
    EXPECT_EQ(error.code, Code::database);
    EXPECT_THAT(error.fact, HasSubstr("certificate verify failed"));
    EXPECT_THAT(error.hint, HasSubstr("sslrootcert="));
}

TEST_F(PostgresTls, AMissingHbaLineIsOfTheTlsKind) {
    server_.write_hba({"hostssl all all 127.0.0.1/32 scram-sha-256"});
    server_.reload();
    EXPECT_THAT(backup_error(url("sslmode=require")).hint,
                HasSubstr("hostssl replication backup 127.0.0.1/32 scram-sha-256"));
}

TEST(PostgresAccess, TlsThatTheServerDoesNotHaveIsTold) {
    PostgresServer server;
    server.sql(kCreateBackupRole);
    const Error error = backup_error(server.url("backup", "backup-pw", "sslmode=require"));
    EXPECT_THAT(error.fact, HasSubstr("server does not support SSL"));
    EXPECT_THAT(error.hint, HasSubstr("ssl = on"));
}

}  // namespace
}  // namespace asb::test
