// Restores into the databases of a running server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "lib/expectations.hpp"
#include "lib/postgres_backup_run.hpp"
#include "lib/postgres_server.hpp"
#include "lib/recorded_backup.hpp"

namespace asb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// What the restored state is judged by, database for database.
constexpr const char* kFingerprint =
    "SELECT (SELECT count(*) || '/' || sum(id) FROM users) || ' seq ' || (SELECT last_value FROM "
    "tickets) || "
    "' part ' || (SELECT string_agg(tableoid::regclass || ':' || n, ',') FROM (SELECT tableoid, "
    "count(*) AS n FROM audit GROUP BY 1 ORDER BY 1) t) || ' unlogged ' || (SELECT "
    "relpersistence::text "
    "FROM pg_class WHERE relname = 'cache') || ' lo ' || (SELECT md5(string_agg(encode(lo_get(oid),"
    " 'hex'), '' ORDER BY oid)) FROM pg_largeobject_metadata) || ' owner ' || (SELECT "
    "pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'users') || ' grants ' || "
    "has_table_privilege('reader', 'users', 'SELECT') || has_table_privilege('reader', 'users', "
    "'INSERT') || ' index ' || (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public')";

void fill(const PostgresServer& server, const std::string& database) {
    server.sql("CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE)", database);
    server.sql("INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 3000) i", database);
    server.sql("CREATE SEQUENCE tickets; SELECT setval('tickets', 4711)", database);
    server.sql("CREATE TABLE audit (at int, what text) PARTITION BY RANGE (at)", database);
    server.sql("CREATE TABLE audit_1 PARTITION OF audit FOR VALUES FROM (0) TO (100)", database);
    server.sql("CREATE TABLE audit_2 PARTITION OF audit FOR VALUES FROM (100) TO (200)", database);
    server.sql("INSERT INTO audit SELECT i, 'login' FROM generate_series(10, 190) i", database);
    server.sql("CREATE UNLOGGED TABLE cache (k text)", database);
    server.sql("SELECT lo_from_bytea(0, 'a key'); SELECT lo_from_bytea(0, 'another')", database);
    server.sql("ALTER TABLE users OWNER TO app_owner; GRANT SELECT ON users TO reader", database);
}

class PostgresDatabaseRestore : public ::testing::Test {
  public:
    static void SetUpTestSuite() {
        source_ = std::make_unique<PostgresServer>();
        source_->sql(kCreateBackupRole);
        source_->sql("CREATE ROLE app_owner LOGIN PASSWORD 'owner-pw' VALID UNTIL '2040-01-01'");
        source_->sql("CREATE ROLE reader NOLOGIN CONNECTION LIMIT 7");
        source_->sql("GRANT reader TO app_owner; ALTER ROLE app_owner SET work_mem = '7MB'");
        for (const std::string name : {"app", "billing", "it's \"odd\" =name"}) {
            source_->sql("CREATE DATABASE \"" + doubled(name) + "\"");
            fill(*source_, encoded(name));
        }
        source_->sql(
            "REVOKE CONNECT ON DATABASE app FROM PUBLIC; GRANT CONNECT ON DATABASE app TO "
            "reader; COMMENT ON DATABASE app IS 'the app''s'");
        source_->sql(
            "ALTER DATABASE app SET search_path = public, audit; ALTER ROLE reader IN "
            "DATABASE app SET statement_timeout = '9s'");
        backup_ = std::make_unique<RecordedBackup>(backup_url(*source_));
    }
    static void TearDownTestSuite() {
        backup_.reset();
        source_.reset();
    }
    static std::string doubled(std::string name) {
        for (std::size_t at = 0; (at = name.find('"', at)) != std::string::npos; at += 2)
            name.insert(at, 1, '"');
        return name;
    }
    static std::string encoded(const std::string& name) {
        std::string text;
        for (const char c : name) text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        return text;
    }

    PostgresDatabaseRestore() { setenv("TMPDIR", staging_.path().c_str(), 1); }
    ~PostgresDatabaseRestore() override {
        EXPECT_TRUE(fs::is_empty(staging_.path())) << "something is left in the staging folder";
        unsetenv("TMPDIR");
    }

    // With a password on TCP, as an operator would.
    [[nodiscard]] std::string url(const std::string& database) const {
        return fmt::format("postgresql://postgres:{}@127.0.0.1:{}/{}", kSuperuserPassword,
                           target_.port(), database);
    }
    [[nodiscard]] std::string databases() const {
        return target_.sql(
            "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database "
            "WHERE NOT datistemplate");
    }

    static std::unique_ptr<PostgresServer> source_;
    static std::unique_ptr<RecordedBackup> backup_;
    PostgresServer target_;
    ServerFolder staging_;
};

std::unique_ptr<PostgresServer> PostgresDatabaseRestore::source_;
std::unique_ptr<RecordedBackup> PostgresDatabaseRestore::backup_;

TEST_F(PostgresDatabaseRestore, BringsOneDatabaseWithItsRolesToAServerThatHasNeither) {
    PostgresRestoreRun run(url("app"));
    run.request.jobs = 2;
    expect_ok(run.run(*backup_));
    EXPECT_EQ(databases(), "app postgres");
    EXPECT_EQ(target_.sql(kFingerprint, "app"), source_->sql(kFingerprint, "app"));
    for (const char* query :
         {"SELECT rolpassword || rolvaliduntil || rolcanlogin FROM pg_authid WHERE rolname = "
          "'app_owner'",
          "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'reader'",
          "SELECT pg_has_role('app_owner', 'reader', 'MEMBER')",
          "SELECT string_agg(coalesce(r.rolname, '') || s.setconfig::text, ' ' ORDER BY 1) FROM "
          "pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole",
          "SELECT datacl::text || shobj_description(oid, 'pg_database') FROM pg_database WHERE "
          "datname = 'app'"})
        EXPECT_EQ(target_.sql(query), source_->sql(query)) << query;
    EXPECT_THAT(run.report, HasSubstr("roles created: app_owner, backup, reader"));
    EXPECT_THAT(run.report, HasSubstr("3181 rows"));
}

TEST_F(PostgresDatabaseRestore, BringsAllDatabasesInOneStep) {
    PostgresRestoreRun run(url("postgres"));
    run.request.all_databases = true;
    expect_ok(run.run(*backup_));
    EXPECT_EQ(databases(), "app billing it's \"odd\" =name postgres");
    for (const std::string name : {"app", "billing", "it's \"odd\" =name"})
        EXPECT_EQ(target_.sql(kFingerprint, encoded(name)),
                  source_->sql(kFingerprint, encoded(name)))
            << name;
}

TEST_F(PostgresDatabaseRestore, RefusesADatabaseThatIsNotEmptyWithoutForce) {
    target_.sql("CREATE DATABASE app");
    target_.sql("CREATE TABLE precious (x int)", "app");
    PostgresRestoreRun run(url("app"));
    EXPECT_EQ(run.plan(*backup_).error().code, Code::refused);
    expect_refusal(run.run(*backup_), Code::refused, "database \"app\" is not empty");
    EXPECT_EQ(databases(), "app postgres");
}

TEST_F(PostgresDatabaseRestore, ReplacesWhenForcedAndKeepsTheOldOneWhole) {
    target_.sql("CREATE DATABASE app");
    target_.sql("CREATE TABLE precious AS SELECT 42 AS x", "app");
    PostgresRestoreRun run(url("app"));
    run.request.force = true;
    expect_ok(run.run(*backup_));
    const auto old = target_.sql("SELECT datname FROM pg_database WHERE datname LIKE 'app\\_\\_%'");
    EXPECT_THAT(run.report, HasSubstr("is kept as \"" + old + "\""));
    EXPECT_EQ(target_.sql("SELECT x FROM precious", old), "42");
    EXPECT_EQ(target_.sql(kFingerprint, "app"), source_->sql(kFingerprint, "app"));
}

TEST_F(PostgresDatabaseRestore, DropsTheOldOneWhenAskedTo) {
    target_.sql("CREATE DATABASE app");
    target_.sql("CREATE TABLE precious AS SELECT 42 AS x", "app");
    PostgresRestoreRun run(url("app"));
    run.request.force = true;
    run.request.drop_old = true;
    expect_ok(run.run(*backup_));
    EXPECT_EQ(databases(), "app postgres");
}

TEST_F(PostgresDatabaseRestore, LeavesNoTraceOfAnEmptyDatabaseThatWasThere) {
    target_.sql("CREATE DATABASE app");
    PostgresRestoreRun run(url("app"));
    expect_ok(run.run(*backup_));
    EXPECT_EQ(databases(), "app postgres");
}

TEST_F(PostgresDatabaseRestore, IsNotBlockedByClientsThatComeBackAgainAndAgain) {
    target_.sql("CREATE DATABASE app");
    target_.sql("CREATE TABLE precious AS SELECT 42 AS x", "app");
    std::vector<std::jthread> clients;
    for (int i = 0; i < 3; ++i)
        clients.emplace_back([&](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                auto session = Connection::open(target_.superuser_url("app"), {}, StopToken(),
                                                after(std::chrono::seconds(20)));
                while (session.ok() && !stop.stop_requested() &&
                       session->execute("SELECT pg_sleep(0.01)").ok()) {
                }
            }
        });
    PostgresRestoreRun run(url("app"));
    run.request.force = true;
    const auto status = run.run(*backup_);
    clients.clear();
    expect_ok(status);
    EXPECT_EQ(target_.sql("SELECT count(*) FROM users", "app"), "3000");
}

TEST_F(PostgresDatabaseRestore, LeavesRolesAsTheyAre) {
    target_.sql("CREATE ROLE reader LOGIN CONNECTION LIMIT 3");
    PostgresRestoreRun run(url("app"));
    expect_ok(run.run(*backup_));
    EXPECT_EQ(target_.sql("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'reader'"), "3");
    EXPECT_THAT(run.report, HasSubstr("left as they are: postgres, reader"));
}

TEST_F(PostgresDatabaseRestore, NamesWhatTheBackupHoldsWhenItLacksTheDatabase) {
    PostgresRestoreRun run(url("shop"));
    expect_refusal(run.run(*backup_), Code::not_found, "it holds: app, billing");
    EXPECT_EQ(databases(), "postgres");
}

TEST_F(PostgresDatabaseRestore, SaysWhichRightIsMissingBeforeAnythingIsDone) {
    target_.sql("CREATE ROLE weak LOGIN PASSWORD 'weak-pw'");
    PostgresRestoreRun run(target_.url("weak", "weak-pw"));
    expect_refusal(run.run(*backup_), Code::database, "ALTER ROLE \"weak\" CREATEDB CREATEROLE");
}

TEST_F(PostgresDatabaseRestore, WorksForARoleThatMayCreateDatabasesAndRoles) {
    PostgresServer plain;
    plain.sql(kCreateBackupRole);
    plain.sql("CREATE ROLE app_owner LOGIN");
    plain.sql("CREATE DATABASE shop OWNER app_owner");
    plain.sql("SET ROLE app_owner; CREATE TABLE wares AS SELECT 7 AS x", "shop");
    const RecordedBackup backup(backup_url(plain));
    target_.sql("CREATE ROLE operator LOGIN CREATEDB CREATEROLE PASSWORD 'operator-pw'");
    PostgresRestoreRun run(
        fmt::format("postgresql://operator:operator-pw@127.0.0.1:{}/shop", target_.port()));
    expect_ok(run.run(backup));
    EXPECT_EQ(target_.sql("SELECT x FROM wares", "shop"), "7");
    EXPECT_EQ(target_.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'wares'", "shop"),
              "app_owner");
    EXPECT_EQ(target_.sql("SELECT pg_has_role('operator', 'app_owner', 'MEMBER')"), "f");
}

TEST_F(PostgresDatabaseRestore, SaysWhatToInstallWhenTheServerProgramsAreMissing) {
    PostgresRestoreRun run(url("app"));
    const auto plan = run.plan_of(Json{{"version_num", 990000}});
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code, Code::database);
    EXPECT_THAT(plan.error().hint, HasSubstr("install the package postgresql-99"));
}

TEST_F(PostgresDatabaseRestore, RefusesADamagedBackupBeforeTheServerIsTouched) {
    PostgresRestoreRun run(url("app"));
    auto session = run.open(*backup_);
    ASSERT_TRUE(session.ok()) << to_text(session.error());
    TamperingSink tamper(*session.value());
    tamper.flip = "postgresql/base/global/pg_filenode.map";
    expect_ok(backup_->play(tamper));
    expect_refusal(session.value()->publish(), Code::damaged, "pg_filenode.map");
    session.value().reset();
    EXPECT_EQ(databases(), "postgres");
}

TEST_F(PostgresDatabaseRestore, DropsWhatADeadRestoreLeft) {
    target_.sql("CREATE DATABASE app__restore_20240115_020000_dead");
    target_.sql(
        "COMMENT ON DATABASE app__restore_20240115_020000_dead IS 'auth-service-backup "
        "restore in progress 20240115_020000_dead, host x, pid 1'");
    target_.sql("CREATE DATABASE mine__restore_it");
    PostgresRestoreRun run(url("app"));
    expect_ok(run.run(*backup_));
    EXPECT_EQ(databases(), "app mine__restore_it postgres");
}

// Fail points are read once a process, and some end it: so this program, started anew with these
// settings in its environment, is the restore that fails, and nothing else.
int run_as_restore_that_fails() {
    const char* url = std::getenv("ASB_TEST_RESTORE_URL");
    if (url == nullptr) return 0;
    const RecordedBackup backup(std::getenv("ASB_TEST_RESTORE_TAR"),
                                Json::parse(std::getenv("ASB_TEST_RESTORE_FACTS")));
    PostgresRestoreRun run(url);
    run.request.force = true;
    run.request.drop_old = true;
    const auto status = run.run(backup);
    _exit(status.ok() ? 0 : exit_status(status.error().code));
}
const int kNoChild = run_as_restore_that_fails();

struct Fault {
    const char* point;
    int exit_status;  // of the restore
    bool replaced;    // whether the new database has the name then
};

class PostgresDatabaseRestoreFaults : public PostgresDatabaseRestore,
                                      public ::testing::WithParamInterface<Fault> {};

TEST_P(PostgresDatabaseRestoreFaults, LeaveTheOldOrTheNewWhole) {
    ASSERT_EQ(kNoChild, 0);
    target_.sql("CREATE DATABASE app");
    target_.sql("CREATE TABLE precious AS SELECT 42 AS x", "app");
    const auto ended =
        run_command({.arguments = {"/proc/self/exe"},
                     .environment = {{"ASB_TEST_RESTORE_URL", url("app")},
                                     {"ASB_TEST_RESTORE_TAR", backup_->path()},
                                     {"ASB_TEST_RESTORE_FACTS", backup_->facts().dump()},
                                     {"ASB_FAIL_POINT", GetParam().point},
                                     {"TMPDIR", staging_.path()}},
                     .run_as = {},
                     .folder = {}},
                    "", StopToken(), after(std::chrono::minutes(4)));
    ASSERT_TRUE(ended.ok()) << to_text(ended.error());
    EXPECT_EQ(ended.value().exit_status, GetParam().exit_status) << ended.value().errors;
    if (GetParam().replaced) {
        EXPECT_EQ(target_.sql(kFingerprint, "app"), source_->sql(kFingerprint, "app"));
    } else {
        EXPECT_EQ(target_.sql("SELECT x FROM precious", "app"), "42");
    }
    // A server that was killed with its restore needs a moment to see its sessions end.
    while (target_.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                       "'auth-service-backup 2%'") != "0") {
    }
    // The next run needs no help.
    PostgresRestoreRun run(url("app"));
    run.request.force = true;
    expect_ok(run.run(*backup_));
    EXPECT_THAT(databases(), Not(HasSubstr("__restore_")));
    EXPECT_EQ(target_.sql("SELECT count(*) FROM users", "app"), "3000");
}

constexpr int kKilled = 128 + 9;
INSTANTIATE_TEST_SUITE_P(Steps, PostgresDatabaseRestoreFaults,
                         ::testing::Values(Fault{"restore.control:1:kill", kKilled, false},
                                           Fault{"swap.create_database:1:kill", kKilled, false},
                                           Fault{"swap.create_database:1:eio", 1, false},
                                           Fault{"swap.restore:1:kill", kKilled, false},
                                           Fault{"swap.restore:1:enospc", 9, false},
                                           Fault{"swap.rename:1:kill", kKilled, false},
                                           Fault{"swap.rename:1:eio", 1, false},
                                           Fault{"swap.drop_old:1:kill", kKilled, true},
                                           Fault{"swap.drop_old:1:eio", 0, true}));

}  // namespace
}  // namespace asb::test
