#pragma once
// Why this exists: the rows of one database are to be had from a physical backup only through a
// server. This one serves nobody but us: a socket in a closed folder, no TCP, no archiving, no
// foreign libraries, and it is gone when this object is.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/connection.hpp"
#include "engine/postgres/data_directory_recovery.hpp"
#include "engine/postgres/private_instance_programs.hpp"
#include "engine/postgres/restore_staging_area.hpp"
#include "io/subprocess.hpp"

namespace asb::postgres {

// One thread. The staging area and the data directory must outlive it.
class PrivateInstance {
  public:
    struct Options {
        ServerPrograms programs;
        std::string data_directory;
        std::optional<Owner> owner;
        unsigned jobs = 2;
        std::optional<Recovery> recovery;
        WalWay wal_way = WalWay::fetched;
    };
    // Starts the server, waits until its recovery is done and it accepts connections. `database`
    // with the last lines of its log when it ends instead.
    static Result<std::unique_ptr<PrivateInstance>> start(Options options, StagingArea& area,
                                                          const SessionContext& context);
    // Stops it at once, without a checkpoint: its data directory is of no more use.
    ~PrivateInstance();
    PrivateInstance(const PrivateInstance&) = delete;
    PrivateInstance& operator=(const PrivateInstance&) = delete;

    [[nodiscard]] Result<Connection> connect(const std::string& database) const;
    // A database that takes connections: template1, or postgres where that is closed.
    [[nodiscard]] const std::string& maintenance_database() const { return maintenance_database_; }
    // Whom we are there: a superuser.
    [[nodiscard]] const std::string& superuser() const { return superuser_; }
    // The role made here for lack of another superuser that may log in; empty when none was needed.
    [[nodiscard]] const std::string& own_role() const { return own_role_; }
    // The environment that leads libpq's programs here.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment() const;
    [[nodiscard]] const ServerPrograms& programs() const { return options_.programs; }
    [[nodiscard]] const std::optional<Owner>& owner() const { return options_.owner; }

  private:
    PrivateInstance(Options options, StagingArea& area, const SessionContext& context)
        : options_(std::move(options)), area_(area), stop_(context.stop), log_(context.log) {}
    Status prepare_folders();
    Status launch();
    Status wait_until_ready();
    Result<bool> try_to_connect();
    Status make_own_superuser();
    Status stop_cleanly();
    [[nodiscard]] Command server_command() const;
    [[nodiscard]] Command single_user_command() const;
    [[nodiscard]] std::vector<std::string> settings() const;
    [[nodiscard]] ConninfoWords words(const std::string& database) const;
    [[nodiscard]] Error ended_error(int exit_status) const;

    Options options_;
    StagingArea& area_;
    StopToken stop_;
    Log& log_;
    std::string socket_folder_;
    bool socket_folder_elsewhere_ = false;
    std::string superuser_ = "postgres";
    std::string own_role_;
    std::string maintenance_database_ = "template1";
    std::unique_ptr<ChildProcess> server_;
};

}  // namespace asb::postgres
