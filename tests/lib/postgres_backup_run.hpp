#pragma once
// Why this exists: one backup through the driver's public face, with all that a session needs
// around it.

#include <memory>
#include <string>

#include "engine/engine.hpp"
#include "lib/postgres_server.hpp"

namespace asb::test {

// A role as docs/postgresql.md creates it: LOGIN REPLICATION and nothing else.
inline constexpr const char* kCreateBackupRole =
    "CREATE ROLE backup LOGIN REPLICATION PASSWORD 'backup-pw'";

inline constexpr Option kDatabaseUrl = {.name = "DATABASE_URL",
                                        .kind = OptionKind::url,
                                        .default_value = "",
                                        .summary = "the database"};

// Of that role.
std::string backup_url(const PostgresServer& server);

class PostgresBackupRun {
  public:
    // `method`: of POSTGRES_BACKUP_METHOD.
    explicit PostgresBackupRun(const std::string& url, const std::string& method = "auto");

    // open_session and write_entries; facts afterwards in `facts`.
    Status run(EntrySink& sink);
    Result<std::unique_ptr<BackupSession>> open();
    // The error of a run that must fail; ends the test when it does not.
    Error error();
    std::vector<CheckLine> check();

    StopToken stop;
    Progress progress;
    BackupFacts facts;

  private:
    Log log_;
    Settings settings_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace asb::test
