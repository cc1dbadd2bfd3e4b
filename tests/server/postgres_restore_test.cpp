// Restores into a data directory, judged by starting a server on what was laid down.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "lib/expectations.hpp"
#include "lib/postgres_backup_run.hpp"
#include "lib/postgres_server.hpp"
#include "lib/recorded_backup.hpp"

namespace asb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kSumOfUsers = "SELECT count(*) || ' ' || sum(id) FROM users";
constexpr const char* kSumOfSessions = "SELECT count(*) || ' ' || sum(id) FROM sessions";

// One backup of one server with a tablespace, for all tests of this file.
class PostgresDataDirectory : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        tablespace_ = std::make_unique<ServerFolder>();
        server_ = std::make_unique<PostgresServer>();
        server_->sql(kCreateBackupRole);
        server_->sql("CREATE TABLE users AS SELECT i AS id FROM generate_series(1, 5000) i");
        fs::create_directory(tablespace_->path() + "/old");
        tablespace_->hand_over();
        server_->sql("CREATE TABLESPACE fast LOCATION '" + tablespace_->path() + "/old'");
        server_->sql(
            "CREATE TABLE sessions TABLESPACE fast AS SELECT i AS id FROM "
            "generate_series(1, 700) i");
        oid_ = server_->sql("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'");
        backup_ = std::make_unique<RecordedBackup>(backup_url(*server_));
    }
    static void TearDownTestSuite() {
        backup_.reset();
        server_.reset();
        tablespace_.reset();
    }

    [[nodiscard]] std::string target() const { return folder_.path() + "/restored"; }
    // Everything below the test's folder, hidden names too.
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (const auto& entry : fs::directory_iterator(folder_.path()))
            found.push_back(entry.path().filename());
        return found;
    }

    static std::unique_ptr<ServerFolder> tablespace_;
    static std::unique_ptr<PostgresServer> server_;
    static std::unique_ptr<RecordedBackup> backup_;
    static std::string oid_;
    ServerFolder folder_;
};

std::unique_ptr<ServerFolder> PostgresDataDirectory::tablespace_;
std::unique_ptr<PostgresServer> PostgresDataDirectory::server_;
std::unique_ptr<RecordedBackup> PostgresDataDirectory::backup_;
std::string PostgresDataDirectory::oid_;

TEST_F(PostgresDataDirectory, StartsWithEveryRowAndItsTablespaceInANewPlace) {
    PostgresRestoreRun run("", target());
    expect_ok(run.run(*backup_));
    const auto restored = PostgresServer::on(target());
    EXPECT_EQ(restored->sql(kSumOfUsers), server_->sql(kSumOfUsers));
    EXPECT_EQ(restored->sql(kSumOfSessions), server_->sql(kSumOfSessions));
    const auto place = target() + "-tablespaces/" + oid_;
    EXPECT_EQ(restored->sql("SELECT pg_tablespace_location(" + oid_ + ")"), place);
    EXPECT_THAT(run.report, HasSubstr("data directory at " + target()));
    EXPECT_THAT(run.report, HasSubstr("tablespace " + oid_ + " is at " + place));
}

TEST_F(PostgresDataDirectory, PutsATablespaceWhereItIsToldByOidOrByOldPath) {
    for (const auto& key : {oid_, tablespace_->path() + "/old"}) {
        const ServerFolder other;
        PostgresRestoreRun run("", other.path() + "/restored");
        run.request.tablespaces = {{key, other.path() + "/moved"}};
        expect_ok(run.run(*backup_));
        const auto restored = PostgresServer::on(other.path() + "/restored");
        EXPECT_EQ(restored->sql("SELECT pg_tablespace_location(" + oid_ + ")"),
                  other.path() + "/moved");
        EXPECT_EQ(restored->sql(kSumOfSessions), server_->sql(kSumOfSessions));
    }
}

TEST_F(PostgresDataDirectory, RefusesATablespaceOnTheLiveOne) {
    PostgresRestoreRun run("", target());
    run.request.tablespaces = {{oid_, tablespace_->path() + "/old"}};
    run.request.force = true;  // moves the data directory aside, and nothing else
    expect_refusal(run.run(*backup_), Code::refused, "/old is not empty, and tablespace " + oid_);
    expect_refusal(run.run(*backup_), Code::refused, "--tablespace " + oid_ + "=NEWPATH");
    EXPECT_EQ(names(), std::vector<std::string>{});
}

TEST_F(PostgresDataDirectory, RefusesAMappingOfATablespaceThatIsNotThere) {
    PostgresRestoreRun run("", target());
    run.request.tablespaces = {{"99", folder_.path() + "/x"}};
    expect_refusal(run.run(*backup_), Code::usage, "the backup has no tablespace '99'");
}

TEST_F(PostgresDataDirectory, BelongsToTheServersUserAndToNobodyElse) {
    PostgresRestoreRun run("", target());
    expect_ok(run.run(*backup_));
    struct stat parent {
    }, info{};
    ASSERT_EQ(stat(folder_.path().c_str(), &parent), 0);
    for (const auto& entry : fs::recursive_directory_iterator(target())) {
        ASSERT_EQ(lstat(entry.path().c_str(), &info), 0);
        EXPECT_EQ(info.st_uid, parent.st_uid) << entry.path();
        EXPECT_EQ(info.st_mode & 0777U, entry.is_directory() ? 0700U : 0600U) << entry.path();
    }
}

TEST_F(PostgresDataDirectory, FillsAnEmptyFolderThatIsThere) {
    fs::create_directory(target());
    PostgresRestoreRun run("", target());
    expect_ok(run.run(*backup_));
    EXPECT_TRUE(fs::exists(target() + "/global/pg_control"));
}

TEST_F(PostgresDataDirectory, RefusesAFolderThatIsNotEmpty) {
    fs::create_directory(target());
    std::ofstream(target() + "/precious") << "data";
    PostgresRestoreRun run("", target());
    expect_refusal(run.run(*backup_), Code::refused, target() + " is not empty");
    EXPECT_FALSE(run.plan(*backup_).ok());
    EXPECT_EQ(names(), std::vector<std::string>{"restored"});
}

TEST_F(PostgresDataDirectory, MovesWhatIsThereAsideWhenForced) {
    fs::create_directory(target());
    std::ofstream(target() + "/precious") << "data";
    PostgresRestoreRun run("", target());
    run.request.force = true;
    expect_ok(run.run(*backup_));
    EXPECT_TRUE(fs::exists(target() + "/global/pg_control"));
    const auto at = run.report.find(target() + ".before-");
    ASSERT_NE(at, std::string::npos) << run.report;
    EXPECT_TRUE(fs::exists(run.report.substr(at, run.report.find('\n', at) - at) + "/precious"));
}

TEST_F(PostgresDataDirectory, RemovesWhatWasThereWhenAskedTo) {
    fs::create_directory(target());
    std::ofstream(target() + "/precious") << "data";
    PostgresRestoreRun run("", target());
    run.request.force = true;
    run.request.drop_old = true;
    expect_ok(run.run(*backup_));
    for (const auto& name : names()) EXPECT_EQ(name.find(".before-"), std::string::npos) << name;
}

TEST_F(PostgresDataDirectory, NeverReplacesADirectoryWithAServerInIt) {
    PostgresRestoreRun run("", server_->data());
    run.request.force = true;
    expect_refusal(run.run(*backup_), Code::refused, "holds postmaster.pid");
    EXPECT_EQ(server_->sql("SELECT 1"), "1");
}

TEST_F(PostgresDataDirectory, HalfRestoredHasNoNameAndNoControlFile) {
    PostgresRestoreRun run("", target());
    auto session = run.open(*backup_);
    ASSERT_TRUE(session.ok()) << to_text(session.error());
    expect_ok(backup_->play(*session.value()));
    EXPECT_FALSE(fs::exists(target()));
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path()))
        EXPECT_NE(entry.path().filename(), "pg_control");
    session.value().reset();
    EXPECT_EQ(names(), std::vector<std::string>{});
}

TEST_F(PostgresDataDirectory, RemovesWhatAKilledRestoreLeft) {
    // The folder is there, and nobody holds its lock.
    fs::create_directories(folder_.path() + "/.restored.restoring-dead00/base");
    PostgresRestoreRun run("", target());
    run.request.tablespaces = {{oid_, folder_.path() + "/ts"}};
    expect_ok(run.run(*backup_));
    EXPECT_THAT(names(), ::testing::UnorderedElementsAre("restored", "ts"));
}

TEST_F(PostgresDataDirectory, RefusesAFileThatIsMissingOrChanged) {
    for (const bool missing : {true, false}) {
        PostgresRestoreRun run("", target());
        auto session = run.open(*backup_);
        ASSERT_TRUE(session.ok()) << to_text(session.error());
        TamperingSink tamper(*session.value());
        (missing ? tamper.drop : tamper.flip) = "postgresql/base/global/pg_filenode.map";
        expect_ok(backup_->play(tamper));
        expect_refusal(session.value()->publish(), Code::damaged, "global/pg_filenode.map");
        session.value().reset();
        EXPECT_EQ(names(), std::vector<std::string>{});
    }
}

TEST_F(PostgresDataDirectory, RefusesEntriesThatAreNotABackups) {
    const std::vector<EntryHeader> bad = {
        {.name = "postgresql/base/../../evil"},
        {.name = "postgresql/other"},
        {.name = "postgresql/wal/a/b"},
        {.name = "postgresql/tablespaces/1/PG_15"},
        {.name = "postgresql/base/link", .type = EntryType::symbolic_link, .link_target = "/etc"}};
    for (const auto& header : bad) {
        PostgresRestoreRun run("", target());
        auto session = run.open(*backup_);
        ASSERT_TRUE(session.ok()) << to_text(session.error());
        const auto status = session.value()->begin(header);
        ASSERT_FALSE(status.ok()) << header.name;
        EXPECT_EQ(status.error().code, Code::damaged) << header.name;
    }
    EXPECT_EQ(names(), std::vector<std::string>{});
}

TEST_F(PostgresDataDirectory, LeavesOutWhatWouldActOnTheOriginal) {
    PostgresRestoreRun run("", target());
    auto session = run.open(*backup_);
    ASSERT_TRUE(session.ok()) << to_text(session.error());
    const EntryHeader signal{.name = "postgresql/base/standby.signal"};
    expect_ok(session.value()->begin(signal));
    expect_ok(session.value()->end());
    session.value().reset();
    EXPECT_FALSE(fs::exists(target() + "/standby.signal"));
}

TEST_F(PostgresDataDirectory, WritesConfigurationWhereTheBackupHasNone) {
    PostgresServer debian;
    debian.sql(kCreateBackupRole);
    for (const char* name : {"postgresql.conf", "pg_ident.conf"})
        fs::remove(debian.data() + "/" + name);
    const RecordedBackup backup(backup_url(debian));
    PostgresRestoreRun run("", target());
    expect_ok(run.run(backup));
    EXPECT_THAT(run.report, HasSubstr("postgresql.conf was not in the backed-up data directory"));
    EXPECT_EQ(PostgresServer::on(target())->sql("SELECT 1"), "1");
}

TEST_F(PostgresDataDirectory, WarnsOfAnArchiveThatTheCopyWouldWriteTo) {
    PostgresServer archiving(
        ServerOptions{.settings = {"archive_mode=on", "archive_command=/bin/true"}});
    archiving.sql(kCreateBackupRole);
    archiving.sql("ALTER SYSTEM SET archive_mode = 'on'");
    const RecordedBackup backup(backup_url(archiving));
    PostgresRestoreRun run("", target());
    expect_ok(run.run(backup));
    EXPECT_THAT(run.report, HasSubstr("in postgresql.auto.conf archive_mode is on"));
}

TEST_F(PostgresDataDirectory, StopsWhenAskedTo) {
    PostgresRestoreRun run("", target());
    auto session = run.open(*backup_);
    ASSERT_TRUE(session.ok()) << to_text(session.error());
    TamperingSink tamper(*session.value());
    int entries = 0;
    tamper.before = [&](const EntryHeader&) {
        if (++entries == 100) run.stop.request();
    };
    expect_refusal(backup_->play(tamper), Code::interrupted, "stopped");
    session.value().reset();
    EXPECT_EQ(names(), std::vector<std::string>{});
}

TEST_F(PostgresDataDirectory, RefusesAnArchiveThatDoesNotFit) {
    PostgresRestoreRun run("", target());
    run.request.data_bytes = std::uint64_t{1} << 60;
    EXPECT_EQ(run.plan(*backup_).error().code, Code::space);
    expect_refusal(run.run(*backup_), Code::space, "restoring needs 1.0 EiB");
    EXPECT_EQ(names(), std::vector<std::string>{});
}

// A file system of 8 MiB on a folder, for as long as it lives; only root may mount one.
class SmallDisk {
  public:
    explicit SmallDisk(std::string path, const char* size) : path_(std::move(path)) {
        fs::create_directory(path_);
        mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, size) == 0;
    }
    ~SmallDisk() {
        if (mounted_) umount(path_.c_str());
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    [[nodiscard]] bool mounted() const { return mounted_; }

  private:
    std::string path_;
    bool mounted_ = false;
};

TEST_F(PostgresDataDirectory, LeavesNothingOnAFullDisk) {
    if (geteuid() != 0) return;  // an unprivileged user cannot make a disk that is full
    const SmallDisk disk(folder_.path() + "/disk", "size=8m");
    ASSERT_TRUE(disk.mounted());
    PostgresRestoreRun run("", folder_.path() + "/disk/restored");
    expect_refusal(run.run(*backup_), Code::space, "No space left on device");
    EXPECT_TRUE(fs::is_empty(folder_.path() + "/disk"));
}

TEST_F(PostgresDataDirectory, FillsAMountPointInPlace) {
    if (geteuid() != 0) return;
    const SmallDisk disk(folder_.path() + "/disk", "size=500m");
    ASSERT_TRUE(disk.mounted());
    {
        PostgresRestoreRun run("", folder_.path() + "/disk");
        auto session = run.open(*backup_);
        ASSERT_TRUE(session.ok()) << to_text(session.error());
        expect_ok(backup_->play(*session.value()));
    }
    EXPECT_TRUE(fs::is_empty(folder_.path() + "/disk"));
    PostgresRestoreRun run("", folder_.path() + "/disk");
    expect_ok(run.run(*backup_));
    EXPECT_EQ(PostgresServer::on(folder_.path() + "/disk")->sql(kSumOfUsers),
              server_->sql(kSumOfUsers));
}

}  // namespace
}  // namespace asb::test
