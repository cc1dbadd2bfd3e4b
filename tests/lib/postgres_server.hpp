#pragma once
// Why this exists: tests judge by a real PostgreSQL. This starts one in a temporary folder, as user
// postgres when we are root (the server refuses root), and stops it by its process id.
//
// Which major: ASB_POSTGRES_MAJOR (15), its programs from ASB_POSTGRES_<major>_BIN, or else from
// `pg_config --bindir`.

#include <memory>
#include <string>
#include <vector>

#include "engine/postgres/connection.hpp"
#include "io/subprocess.hpp"

namespace asb::test {

inline constexpr std::string_view kSuperuserPassword = "superuser-pw";

// The major version under test, and the folder of its server programs. Throws when there is none.
int postgres_major();
std::string postgres_bin_dir();

// A fresh folder under $TMPDIR that user postgres owns, removed with all below it on destruction.
class ServerFolder {
  public:
    ServerFolder();
    ~ServerFolder();
    ServerFolder(const ServerFolder&) = delete;
    ServerFolder& operator=(const ServerFolder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }
    // Gives everything below to user postgres when we are root.
    void hand_over() const;

  private:
    std::string path_;
};

// Runs a program as user postgres when we are root; throws with its stderr unless it succeeds.
std::string run_as_postgres(std::vector<std::string> arguments);

struct ServerOptions {
    std::vector<std::string> initdb_arguments = {"--data-checksums"};
    std::vector<std::string> settings = {};  // lines of postgresql.conf
    // Lines of pg_hba.conf after the one that lets the superuser in on the socket.
    std::vector<std::string> hba = {
        "local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256",
        "local replication all scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256"};
};

// Every member throws std::runtime_error with the server's log when something does not work.
class PostgresServer {
  public:
    // initdb and start.
    explicit PostgresServer(const ServerOptions& options = {});
    // Starts on a data directory that is there, which it does not own.
    static std::unique_ptr<PostgresServer> on(const std::string& data_directory,
                                              std::vector<std::string> settings = {});
    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    void start();
    void stop();
    void reload();

    [[nodiscard]] const std::string& data() const { return data_; }
    [[nodiscard]] const std::string& folder() const { return folder_.path(); }  // sockets too
    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] std::string superuser_url(const std::string& database = "postgres") const;
    // Over TCP, with a password.
    [[nodiscard]] std::string url(const std::string& user, const std::string& password,
                                  const std::string& parameters = "") const;
    [[nodiscard]] std::string socket_url(const std::string& user,
                                         const std::string& password) const;
    // One statement as superuser; the first cell of its result.
    // NOLINTNEXTLINE(modernize-use-nodiscard): called for its effect as often as for its answer
    std::string sql(const std::string& statement, const std::string& database = "postgres") const;
    [[nodiscard]] std::string log() const;
    void write_hba(const std::vector<std::string>& lines) const;

  private:
    struct Existing {};
    PostgresServer(Existing, std::string data_directory, std::vector<std::string> settings);
    void wait_until_ready();

    ServerFolder folder_;
    std::string data_;
    int port_;
    std::vector<std::string> settings_;
    std::unique_ptr<ChildProcess> process_;
};

}  // namespace asb::test
