#include "engine/postgres/server_error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace asb {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ConnectionTarget target() {
    return {.host = "db.example",
            .port = "5432",
            .user = "backup",
            .database = "auth",
            .replication = true};
}

TEST(SqlState, IsFoundInAVerboseMessageOfAnyLanguage) {
    EXPECT_EQ(sqlstate_in("connection to server at \"db\", port 5432 failed: FATAL:  28P01: "
                          "password authentication failed"),
              "28P01");
    EXPECT_EQ(sqlstate_in("... failed: FATALE:  3D000: il database \"x\" non esiste"), "3D000");
    EXPECT_EQ(sqlstate_in("... failed: Connection refused"), "");
    EXPECT_EQ(sqlstate_in("FATAL:  123"), "");
    EXPECT_EQ(sqlstate_in(""), "");
}

TEST(ConnectionError, NamesAddressAndCauseWhenNothingAnswers) {
    const Error error = connection_error(
        target(),
        "connection to server at \"db.example\" (10.0.0.9), port 5432 failed: Connection "
        "refused\n\tIs the server running on that host?\n");
    EXPECT_EQ(error.code, Code::database);
    EXPECT_EQ(error.fact, "cannot reach the database at db.example:5432: Connection refused");
    EXPECT_TRUE(error.retryable);
}

TEST(ConnectionError, AMissingHbaLineIsSpeltOut) {
    const Error error = connection_error(
        target(),
        "connection to server failed: FATAL:  28000: no pg_hba.conf entry for replication "
        "connection from host \"10.1.2.3\", user \"backup\", no encryption\nLOCATION: x\n");
    EXPECT_EQ(error.fact,
              "the database at db.example:5432 refuses \"backup\" for replication: no pg_hba.conf "
              "entry for replication connection from host \"10.1.2.3\", user \"backup\", no "
              "encryption");
    EXPECT_EQ(error.hint,
              "add this line to the server's pg_hba.conf: host replication backup 10.1.2.3/32 "
              "scram-sha-256 -- then run: SELECT pg_reload_conf();");
}

TEST(ConnectionError, AMissingHbaLineUnderTlsIsHostssl) {
    const Error error = connection_error(
        target(),
        "failed: FATAL:  28000: no pg_hba.conf entry for replication connection from host "
        "\"2001:db8::7\", user \"backup\", SSL encryption\n");
    EXPECT_THAT(error.hint, HasSubstr("hostssl replication backup 2001:db8::7/128 scram-sha-256"));
}

TEST(ConnectionError, ARoleWithoutReplicationGetsItsStatement) {
    for (const char* message :
         {"failed: FATAL:  42501: must be superuser or replication role to start walsender",
          "failed: FATAL:  42501: permission denied to start WAL sender\nDETAIL:  Only roles"})
        EXPECT_EQ(connection_error(target(), message).hint, "ALTER ROLE \"backup\" REPLICATION;");
}

TEST(ConnectionError, NamesAreQuotedForSqlAndForHba) {
    ConnectionTarget odd = target();
    odd.user = "Back \"up\"";
    EXPECT_EQ(connection_error(odd, "x: FATAL:  42501: permission denied").hint,
              "ALTER ROLE \"Back \"\"up\"\"\" REPLICATION;");
    EXPECT_EQ(hba_line(odd, "10.1.2.3"),
              "host replication \"Back \"\"up\"\"\" 10.1.2.3/32 scram-sha-256");
}

struct HintCase {
    const char* message;
    const char* hint;
};

TEST(ConnectionError, EachRefusalHasItsFix) {
    const HintCase cases[] = {
        {"x: FATAL:  28P01: password authentication failed", "ALTER ROLE \"backup\" PASSWORD"},
        {"x: FATAL:  28000: role \"backup\" does not exist",
         "CREATE ROLE \"backup\" LOGIN REPLICATION"},
        {"x: FATAL:  28000: role \"backup\" is not permitted to log in",
         "ALTER ROLE \"backup\" LOGIN;"},
        {"x: FATAL:  28000: Peer authentication failed for user \"backup\"", "scram-sha-256"},
        {"x: FATAL:  53300: number of requested standby connections exceeds max_wal_senders "
         "(currently 0)",
         "ALTER SYSTEM SET max_wal_senders = 10;"},
        {"x: FATAL:  53300: sorry, too many clients already", "max_connections"},
        {"x: FATAL:  3D000: database \"auth\" does not exist", "CREATE DATABASE \"auth\""},
        {"x: FATAL:  57P03: the database system is starting up", "wait until"},
        {"x failed: fe_sendauth: no password supplied", "PGPASSFILE"},
        {"x failed: SSL error: certificate verify failed", "sslrootcert="},
        {"x failed: server certificate for \"a\" does not match host name \"b\"", "host name"},
        {"x failed: root certificate file \"/root.crt\" does not exist", "sslrootcert="},
        {"x failed: server does not support SSL, but SSL was required", "ssl = on"},
        {"could not translate host name \"nowhere\" to address", "host name"},
    };
    for (const HintCase& one : cases) {
        const Error error = connection_error(target(), one.message);
        EXPECT_EQ(error.code, Code::database);
        EXPECT_THAT(error.hint, HasSubstr(one.hint)) << one.message;
    }
}

TEST(ServerError, StatesWhatTheServerSaid) {
    const Error error = server_error(target(), "58P01",
                                     "requested WAL segment 000000010000000000000002 has already "
                                     "been removed");
    EXPECT_EQ(error.fact,
              "the database at db.example:5432 says: requested WAL segment "
              "000000010000000000000002 has already been removed (SQLSTATE 58P01)");
    EXPECT_THAT(error.hint, HasSubstr("max_slot_wal_keep_size"));
}

TEST(ServerError, AFullDiskOfTheServerIsAboutSpace) {
    const Error error = server_error(target(), "53100",
                                     "could not extend file \"base/16384/1247\": No space left on "
                                     "device");
    EXPECT_EQ(error.code, Code::space);
    EXPECT_EQ(error.hint, "free some space on the database server's disk");
}

TEST(ServerError, SlotsAndWalLevelHaveTheirStatements) {
    EXPECT_THAT(server_error(target(), "53400", "all replication slots are in use").hint,
                HasSubstr("ALTER SYSTEM SET max_replication_slots = 10;"));
    EXPECT_THAT(server_error(target(), "55000",
                             "replication slots can only be used if wal_level >= replica")
                    .hint,
                StartsWith("ALTER SYSTEM SET wal_level = 'replica';"));
    EXPECT_THAT(
        server_error(target(), "55000", "the standby was promoted during online backup").hint,
        HasSubstr("run the backup again"));
}

TEST(ServerError, ABrokenConnectionMayBeTriedAgain) {
    EXPECT_TRUE(server_error(target(), "", "server closed the connection unexpectedly").retryable);
    EXPECT_TRUE(server_error(target(), "57P01", "terminating connection").retryable);
    EXPECT_FALSE(server_error(target(), "42601", "syntax error").retryable);
}

TEST(ServerVersion, OnlyTheMajorsWeKnow) {
    EXPECT_TRUE(check_server_version(150000, "15.0").ok());
    EXPECT_TRUE(check_server_version(180004, "18.4").ok());
    const Status old = check_server_version(140023, "14.23 (Debian 14.23-1)");
    ASSERT_FALSE(old.ok());
    EXPECT_EQ(old.error().code, Code::database);
    EXPECT_EQ(old.error().fact, "PostgreSQL 14.23 is not supported (15 to 18 are)");
    EXPECT_THAT(old.error().hint, HasSubstr("pg_upgrade"));
    EXPECT_FALSE(check_server_version(990000, "99.0").ok());
}

}  // namespace
}  // namespace asb
