#include "engine/postgres/postgres_check.hpp"

#include <optional>

#include "base/text.hpp"
#include "engine/check_lines.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/logical_server.hpp"
#include "engine/postgres/server_error.hpp"
#include "engine/postgres/server_identity.hpp"

namespace asb {
namespace {

using Verdict = CheckLine::Verdict;

// A standby further behind makes a backup that misses more than most would expect of it.
constexpr std::uint64_t kStandbyLagSecondsMax = 300;

// The first row of a statement, as texts; an error or no row at all is nullopt.
std::optional<std::vector<std::string>> row(Connection& connection, const std::string& sql) {
    auto result = connection.query(sql);
    if (!result.ok() || PQntuples(result.value().get()) == 0) return std::nullopt;
    const int columns = PQnfields(result.value().get());
    std::vector<std::string> cells;
    cells.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column)
        cells.emplace_back(cell(result.value(), 0, column));
    return cells;
}

class PostgresCheck {
  public:
    PostgresCheck(const CheckOptions& options, const StopToken& stop)
        : options_(options), stop_(stop) {}

    std::vector<CheckLine> run() {
        if (options_.method == "logical") return run_logical();
        auto sql = open(ConnectionOptions::Mode::normal);
        auto replication = open(ConnectionOptions::Mode::replication);
        check_connection(sql, replication);
        if (!sql.ok() && !replication.ok()) return std::move(lines_);
        check_version(sql.ok() ? *sql : *replication);
        if (sql.ok()) check_role(*sql);
        if (sql.ok() && !may_replicate_ && options_.method == "auto") {
            check_dumping(*sql);
            return std::move(lines_);
        }
        check_pg_hba(sql, replication);
        if (sql.ok()) check_wal_level(*sql);
        if (sql.ok()) check_senders(*sql);
        check_slots(sql, replication);
        Connection& any = replication.ok() ? *replication : *sql;
        check_page_checksums(any);
        if (sql.ok()) check_size(*sql);
        check_tls(any.target());
        if (sql.ok()) check_standby(*sql);
        return std::move(lines_);
    }

  private:
    std::vector<CheckLine> run_logical() {
        auto sql = open(ConnectionOptions::Mode::normal);
        check_connection(sql, sql);
        if (!sql.ok()) return std::move(lines_);
        check_version(*sql);
        check_dumping(*sql);
        return std::move(lines_);
    }
    // What pg_dump needs, and the lines that any backup has.
    void check_dumping(Connection& sql) {
        check_programs(sql);
        check_databases();
        check_size(sql);
        check_tls(sql.target());
        check_standby(sql);
    }
    Result<Connection> open(ConnectionOptions::Mode mode) {
        return Connection::open(options_.conninfo, {.mode = mode, .check_version = false}, stop_);
    }
    void check_connection(Result<Connection>& sql, const Result<Connection>& replication);
    void check_version(Connection& connection);
    void check_role(Connection& sql);
    void check_programs(Connection& sql);
    void check_databases();
    void check_pg_hba(Result<Connection>& sql, Result<Connection>& replication);
    void check_wal_level(Connection& sql);
    void check_senders(Connection& sql);
    void check_slots(Result<Connection>& sql, Result<Connection>& replication);
    void check_page_checksums(Connection& connection);
    void check_size(Connection& sql);
    void check_tls(const ConnectionTarget& target);
    void check_standby(Connection& sql);

    CheckOptions options_;
    StopToken stop_;
    std::vector<CheckLine> lines_;
    bool may_replicate_ = true;
};

void PostgresCheck::check_connection(Result<Connection>& sql,
                                     const Result<Connection>& replication) {
    const std::string subject = "database connection";
    if (sql.ok()) {
        const ConnectionTarget& target = sql->target();
        lines_.push_back(check_line(
            Verdict::ok, subject,
            fmt::format("{} as {}, database {}", target.address(), target.user, target.database)));
    } else if (replication.ok()) {
        lines_.push_back(
            check_line(Verdict::warn, subject,
                       "a backup works without it, its size and a restore into the database "
                       "do not: " +
                           sql.error().fact,
                       sql.error().hint));
    } else {
        lines_.push_back(failed_check(subject, sql.error()));
    }
}

void PostgresCheck::check_version(Connection& connection) {
    const std::string version = connection.reported("server_version");
    const Status supported = check_server_version(connection.server_version(), version);
    lines_.push_back(supported.ok()
                         ? check_line(Verdict::ok, "server version", "PostgreSQL " + version)
                         : failed_check("server version", supported.error()));
}

void PostgresCheck::check_role(Connection& sql) {
    const auto may = row(sql,
                         "SELECT rolreplication OR rolsuper FROM pg_roles "
                         "WHERE rolname = current_user");
    may_replicate_ = may && may->front() == "t";
    const std::string& user = sql.target().user;
    const auto fix = fmt::format("ALTER ROLE {} REPLICATION;", sql.quoted_identifier(user));
    if (may_replicate_)
        lines_.push_back(check_line(Verdict::ok, "role", user + " may replicate"));
    else if (options_.method == "auto")
        lines_.push_back(
            check_line(Verdict::warn, "role",
                       user + " lacks the REPLICATION attribute, so backups are logical", fix));
    else
        lines_.push_back(
            check_line(Verdict::fail, "role", user + " lacks the REPLICATION attribute", fix));
}

void PostgresCheck::check_programs(Connection& sql) {
    const auto found =
        postgres::find_client_programs(options_.bin_dir, sql.server_version() / 10000, stop_);
    lines_.push_back(found.ok() ? check_line(Verdict::ok, "pg_dump",
                                             fmt::format("{} in {}", found->version, found->folder))
                                : failed_check("pg_dump", found.error()));
}

void PostgresCheck::check_databases() {
    const auto server = postgres::look_at_server(options_.conninfo, stop_);
    if (!server.ok()) {
        lines_.push_back(failed_check("databases", server.error()));
        return;
    }
    const auto& catalog = server->catalog;
    lines_.push_back(
        server->closed.empty()
            ? check_line(Verdict::ok, "databases",
                         counted(catalog.databases.size(), "database") + " may be read")
            : check_line(Verdict::warn, "databases", "left out: " + join(server->closed, "; "),
                         "let the role connect to them; until then every backup ends with exit 3"));
    lines_.push_back(
        catalog.roles.passwords
            ? check_line(Verdict::ok, "role passwords", "may be read")
            : check_line(Verdict::warn, "role passwords",
                         "may not be read: the roles come without them",
                         fmt::format("GRANT pg_read_all_data TO {}; where the service allows it",
                                     server->user)));
}

// pg_hba.conf is judged before the role, so a role too weak shows that its line is there.
void PostgresCheck::check_pg_hba(Result<Connection>& sql, Result<Connection>& replication) {
    const std::string subject = "pg_hba.conf";
    const bool only_role = sql.ok() && !may_replicate_ && !replication.ok() &&
                           replication.error().hint.starts_with("ALTER ROLE");
    lines_.push_back(replication.ok() || only_role
                         ? check_line(Verdict::ok, subject, "lets the role in for replication")
                         : failed_check(subject, replication.error()));
}

void PostgresCheck::check_wal_level(Connection& sql) {
    const auto level = row(sql, "SHOW wal_level");
    const bool enough = level && level->front() != "minimal";
    lines_.push_back(enough
                         ? check_line(Verdict::ok, "wal_level", level->front())
                         : check_line(Verdict::fail, "wal_level", "minimal: no copy can be made",
                                      "ALTER SYSTEM SET wal_level = 'replica'; -- then restart the "
                                      "server"));
}

// The one that this check itself holds is a proof already; the numbers tell how near the limit is.
void PostgresCheck::check_senders(Connection& sql) {
    const auto use = row(sql,
                         "SELECT count(*), current_setting('max_wal_senders') "
                         "FROM pg_stat_replication");
    if (!use) return;
    const std::string detail = fmt::format("{} of {} in use", use->at(0), use->at(1));
    const bool none = use->at(1) == "0";
    lines_.push_back(none ? check_line(Verdict::fail, "max_wal_senders", detail,
                                       "ALTER SYSTEM SET max_wal_senders = 10; -- then restart the "
                                       "server")
                          : check_line(Verdict::ok, "max_wal_senders", detail));
}

void PostgresCheck::check_slots(Result<Connection>& sql, Result<Connection>& replication) {
    if (!replication.ok()) return;  // told already
    const std::string subject = "max_replication_slots";
    const Status probed = probe_slot(*replication);
    if (!probed.ok()) {
        lines_.push_back(failed_check(subject, probed.error()));
        return;
    }
    const auto use = sql.ok() ? row(*sql,
                                    "SELECT count(*), "
                                    "current_setting('max_replication_slots') "
                                    "FROM pg_replication_slots")
                              : std::nullopt;
    lines_.push_back(check_line(
        Verdict::ok, subject,
        use ? fmt::format("{} of {} in use", use->at(0), use->at(1)) : "a slot is free"));
}

void PostgresCheck::check_page_checksums(Connection& connection) {
    const auto state = row(connection, "SHOW data_checksums");
    if (!state) return;
    lines_.push_back(
        state->front() == "on"
            ? check_line(Verdict::ok, "page checksums", "on")
            : check_line(Verdict::warn, "page checksums",
                         "off: pages damaged by disk or memory are copied unnoticed",
                         "stop the server, then pg_checksums --enable -D <data directory>"));
}

void PostgresCheck::check_size(Connection& sql) {
    const auto size = row(sql,
                          "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint, count(*) "
                          "FROM pg_database WHERE has_database_privilege(oid, 'CONNECT')");
    const auto bytes = size ? parse_u64(size->at(0)) : std::nullopt;
    if (!bytes) return;
    lines_.push_back(
        check_line(Verdict::ok, "data size",
                   fmt::format("{} in {} databases", human_bytes(*bytes), size->at(1))));
}

void PostgresCheck::check_tls(const ConnectionTarget& target) {
    const bool loopback =
        target.host == "localhost" || target.host == "::1" || target.host.starts_with("127.");
    if (target.tls)
        lines_.push_back(check_line(Verdict::ok, "TLS", "in use"));
    else if (target.unix_socket || loopback)
        lines_.push_back(check_line(Verdict::ok, "TLS", "not in use, on this machine"));
    else
        lines_.push_back(check_line(
            Verdict::warn, "TLS", "not in use: the data crosses the network in clear text",
            "ssl = on at the server, and sslmode=verify-full with sslrootcert in "
            "DATABASE_URL"));
}

// Seconds since the newest transaction replayed, 0 when all that was received is replayed: an idle
// primary sends no transactions, and that is no lag.
void PostgresCheck::check_standby(Connection& sql) {
    const auto lag = row(sql,
                         "SELECT pg_is_in_recovery(), CASE WHEN pg_last_wal_receive_lsn() = "
                         "pg_last_wal_replay_lsn() THEN 0 ELSE coalesce(extract(epoch FROM now() - "
                         "pg_last_xact_replay_timestamp()), 0) END::bigint");
    if (!lag || lag->at(0) != "t") return;
    const std::uint64_t seconds = parse_u64(lag->at(1)).value_or(0);
    const std::string detail =
        fmt::format("{} behind", human_duration(std::chrono::seconds(seconds)));
    lines_.push_back(
        seconds <= kStandbyLagSecondsMax
            ? check_line(Verdict::ok, "standby lag", detail)
            : check_line(Verdict::warn, "standby lag", detail,
                         "look at pg_stat_wal_receiver on the standby, or back up from the "
                         "primary"));
}

}  // namespace

std::vector<CheckLine> check_postgres(const CheckOptions& options, const StopToken& stop) {
    return PostgresCheck(options, stop).run();
}

}  // namespace asb
