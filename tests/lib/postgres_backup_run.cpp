#include "lib/postgres_backup_run.hpp"

#include <stdexcept>

#include "engine/postgres/postgres_engine.hpp"
#include "lib/collected_backup.hpp"

namespace asb::test {
namespace {

Settings settings_for(const std::string& url, const std::string& method) {
    Settings settings;
    settings.set(kDatabaseUrl, url, "test");
    for (const Option& option : kPostgresEngine.options)
        settings.set(
            option,
            option.name == "POSTGRES_BACKUP_METHOD" ? method : std::string(option.default_value),
            "test");
    return settings;
}

}  // namespace

std::string backup_url(const PostgresServer& server) {
    return server.url("backup", "backup-pw");
}

PostgresBackupRun::PostgresBackupRun(const std::string& url, const std::string& method)
    : log_({.run_id = "test"}),
      settings_(settings_for(url, method)),
      engine_(kPostgresEngine.open(settings_)) {}

Result<std::unique_ptr<BackupSession>> PostgresBackupRun::open() {
    return engine_->open_session({log_, progress, stop});
}

Status PostgresBackupRun::run(EntrySink& sink) {
    ASB_TRY(const auto session, open());
    ASB_CHECK(session->write_entries(sink));
    facts = session->facts();
    return {};
}

Error PostgresBackupRun::error() {
    CollectedBackup sink;
    const Status status = run(sink);
    if (status.ok()) throw std::runtime_error("the backup should have failed");
    return status.error();
}

std::vector<CheckLine> PostgresBackupRun::check() {
    return engine_->check(stop);
}

}  // namespace asb::test
