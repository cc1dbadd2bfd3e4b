#pragma once
// Why this exists: before a restore touches the server of DATABASE_URL, everything that could stop
// it halfway is asked: version, rights, role of the server, what is in the way.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/postgres/connection.hpp"

namespace asb::postgres {

// What is under a database's name on the target server.
enum class Occupancy { missing, empty, filled };

// Statements that move data (CREATE DATABASE, ANALYZE, count(*)) take as long as the data is big.
inline constexpr std::chrono::hours kLongStatementTimeout{24};

// The names that one restore gives: "<database>__restore_<id>" and "<database>__before_<id>", cut
// to the server's 63 bytes (NAMEDATALEN - 1) between two UTF-8 characters.
std::string restore_name(const std::string& database, const std::string& id);
std::string before_name(const std::string& database, const std::string& id);
// A new id: "20240115_020000_1f3a".
std::string new_restore_id();
// The application_name of a restore's sessions; as long as one of them lives, the restore does.
std::string application_name(const std::string& id);

// The server that is restored into. One thread at a time.
class TargetServer {
  public:
    // Connects to the maintenance database (postgres, or template1 where postgres is itself to be
    // replaced) and checks that it is a primary of at least `backup_major` and that the role may
    // create databases and roles. Changes nothing. `database` with the statement that is missing.
    static Result<TargetServer> open(const std::string& url, bool all_databases, int backup_major,
                                     std::string id, StopToken stop);

    [[nodiscard]] Connection& maintenance() { return maintenance_; }
    // A further session; with `stop` in place of the restore's own, for cleaning up after it.
    [[nodiscard]] Result<Connection> connect(const std::string& database) const;
    [[nodiscard]] Result<Connection> connect_maintenance(const StopToken& stop) const;
    // The database that the URL names, as libpq would resolve it.
    [[nodiscard]] const std::string& url_database() const { return url_database_; }
    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] bool superuser() const { return superuser_; }
    [[nodiscard]] std::string address() const { return maintenance_.target().address(); }
    // What libpq's programs need to reach this server, password included: for an environment only.
    [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> environment() const;

    // What is there now under `database`.
    Result<Occupancy> occupancy(const std::string& database);
    // Half-made databases of restores that died, by name.
    Result<std::vector<std::string>> leftovers();

  private:
    TargetServer(std::string url, std::string id, StopToken stop, Connection maintenance)
        : url_(std::move(url)),
          id_(std::move(id)),
          stop_(std::move(stop)),
          maintenance_(std::move(maintenance)) {}
    Status check_server(int backup_major);
    Status check_role();

    std::string url_;
    std::string id_;
    StopToken stop_;
    Connection maintenance_;
    std::string url_database_;
    bool superuser_ = false;
};

// Ends every session of the restore `id` but this one, and waits until they are gone (10 s at most;
// then `database`).
Status end_other_sessions(Connection& maintenance, const std::string& id);

// `refused` when `database` is filled and `force` is not given.
Status check_occupancy(const std::string& database, Occupancy occupancy, bool force);

}  // namespace asb::postgres
