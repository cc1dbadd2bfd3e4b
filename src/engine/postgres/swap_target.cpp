#include "engine/postgres/swap_target.hpp"

#include <array>

#include "base/text.hpp"
#include "codec/digest.hpp"
#include "engine/postgres/logical_programs.hpp"

namespace asb::postgres {
namespace {

constexpr std::size_t kNameBytesMax = 63;  // NAMEDATALEN - 1

// Everything that an operator could miss if it were replaced; what an extension brought is its own.
constexpr const char* kContentsQuery =
    "SELECT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM pg_namespace "
    "WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') AND NOT EXISTS (SELECT FROM "
    "pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) "
    "OR EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE "
    "nspname !~ '^pg_' AND nspname <> 'information_schema') AND NOT EXISTS (SELECT FROM pg_depend "
    "d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')) "
    "OR EXISTS (SELECT FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN "
    "('information_schema', 'public')) "
    "OR EXISTS (SELECT FROM pg_largeobject_metadata)";

// Half-made databases whose run no longer has a session; see leftovers. A name ends with the id of
// its run, 20 characters (new_restore_id). The second column: no comment yet.
constexpr const char* kLeftoverQuery =
    "SELECT d.datname, shobj_description(d.oid, 'pg_database') IS NULL FROM pg_database d "
    "WHERE coalesce(shobj_description(d.oid, 'pg_database'), 'auth-service-backup restore in "
    "progress ') LIKE 'auth-service-backup restore in progress %' "
    "AND d.datname ~ '__restore_[0-9]{8}_[0-9]{6}_[0-9a-f]{4}$' "
    "AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid) "
    "AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = "
    "'auth-service-backup ' || right(d.datname, 20)) ORDER BY 1";

std::string cut(std::string_view name, std::size_t bytes_max) {
    if (name.size() <= bytes_max) return std::string(name);
    while (bytes_max > 0 && (static_cast<unsigned char>(name[bytes_max]) & 0xC0U) == 0x80)
        --bytes_max;
    return std::string(name.substr(0, bytes_max));
}

std::string name_with(const std::string& database, const std::string& suffix) {
    return cut(database, kNameBytesMax - suffix.size()) + suffix;
}

ConninfoWords session_words(const std::string& database, const std::string& id) {
    return {{"dbname", database}, {"application_name", application_name(id)}};
}

Status prepare_session(Connection& connection, bool superuser) {
    ASB_CHECK(
        connection.execute("SET statement_timeout = 0; SET lock_timeout = 0; "
                           "SET idle_session_timeout = 0; "
                           "SET idle_in_transaction_session_timeout = 0; "
                           "SET default_transaction_read_only = off; SET row_security = off"));
    if (!superuser) return {};
    // Password hashes are about to pass: they shall not stand in the server's log.
    return connection.execute(
        "SET log_statement = none; SET log_min_duration_statement = -1; "
        "SET log_min_error_statement = panic");
}

Result<Connection> open_maintenance(const std::string& url, bool only_template1,
                                    const std::string& id, const StopToken& stop) {
    if (!only_template1) {
        auto connection = Connection::open(url, {.overrides = session_words("postgres", id)}, stop);
        if (connection.ok() || connection.error().retryable ||
            connection.error().code == Code::interrupted)
            return connection;
    }
    return Connection::open(url, {.overrides = session_words("template1", id)}, stop);
}

}  // namespace

std::string restore_name(const std::string& database, const std::string& id) {
    return name_with(database, "__restore_" + id);
}

std::string before_name(const std::string& database, const std::string& id) {
    return name_with(database, "__before_" + id);
}

std::string new_restore_id() {
    std::array<std::byte, 2> random{};
    random_bytes(random);
    return to_stamp(now()) + "_" + to_hex(random);
}

std::string application_name(const std::string& id) {
    return "auth-service-backup " + id;
}

Result<TargetServer> TargetServer::open(const std::string& url, bool all_databases,
                                        int backup_major, std::string id, StopToken stop) {
    ASB_TRY(const auto words, parse_conninfo(url));
    const bool only_template1 = all_databases || resolve_database(words, "") == "postgres";
    ASB_TRY(auto maintenance, open_maintenance(url, only_template1, id, stop));
    TargetServer server(url, std::move(id), std::move(stop), std::move(maintenance));
    server.url_database_ = resolve_database(words, server.maintenance_.target().user);
    if (server.url_database_ == server.maintenance_.target().database) {
        ASB_TRY(server.maintenance_, open_maintenance(url, true, server.id_, server.stop_));
    }
    ASB_CHECK(server.check_server(backup_major));
    ASB_CHECK(server.check_role());
    ASB_CHECK(prepare_session(server.maintenance_, server.superuser_));
    return server;
}

Status TargetServer::check_server(int backup_major) {
    const int major = maintenance_.server_version() / 10000;
    if (major < backup_major)
        return with_hint(
            fail(Code::database, "the server at {} is PostgreSQL {}, older than the backup's {}",
                 address(), major, backup_major),
            fmt::format("name a server of version {} or newer in DATABASE_URL, or restore with "
                        "--target-dir",
                        backup_major));
    ASB_TRY(const auto standby, maintenance_.query("SELECT pg_is_in_recovery()"));
    if (cell(standby, 0, 0) == "t")
        return with_hint(fail(Code::database,
                              "the server at {} is a standby: nothing can be "
                              "written there",
                              address()),
                         "name the primary in DATABASE_URL");
    return {};
}

Status TargetServer::check_role() {
    ASB_TRY(const auto role, maintenance_.query("SELECT rolsuper, rolcreatedb, rolcreaterole FROM "
                                                "pg_roles WHERE rolname = current_user"));
    superuser_ = cell(role, 0, 0) == "t";
    if (superuser_ || (cell(role, 0, 1) == "t" && cell(role, 0, 2) == "t")) return {};
    const auto& user = maintenance_.target().user;
    return with_hint(fail(Code::database, "role \"{}\" at {} may not create databases and roles",
                          user, address()),
                     fmt::format("ALTER ROLE {} CREATEDB CREATEROLE; or better, name a superuser "
                                 "in DATABASE_URL for the restore",
                                 maintenance_.quoted_identifier(user)));
}

Result<Connection> TargetServer::connect(const std::string& database) const {
    ASB_TRY(auto connection,
            Connection::open(url_, {.overrides = session_words(database, id_)}, stop_));
    ASB_CHECK(prepare_session(connection, superuser_));
    return connection;
}

Result<Connection> TargetServer::connect_maintenance(const StopToken& stop) const {
    return Connection::open(url_, {.overrides = session_words(maintenance_.target().database, id_)},
                            stop);
}

Result<std::vector<std::pair<std::string, std::string>>> TargetServer::environment() const {
    return libpq_environment(url_, application_name(id_));
}

Result<Occupancy> TargetServer::occupancy(const std::string& database) {
    const std::vector<std::string> name{database};
    ASB_TRY(const auto found, maintenance_.query_params(
                                  "SELECT datallowconn FROM pg_database WHERE datname = $1", name));
    if (PQntuples(found.get()) == 0) return Occupancy::missing;
    if (cell(found, 0, 0) != "t") return Occupancy::filled;
    ASB_TRY(auto connection, connect(database));
    ASB_TRY(const auto contents, connection.query(kContentsQuery));
    return cell(contents, 0, 0) == "t" ? Occupancy::filled : Occupancy::empty;
}

Result<std::vector<std::string>> TargetServer::leftovers() {
    ASB_TRY(const auto rows, maintenance_.query(kLeftoverQuery));
    std::vector<std::string> names;
    for (int row = 0; row < PQntuples(rows.get()); ++row) {
        std::string name(cell(rows, row, 0));
        if (cell(rows, row, 1) == "t") {
            // Its run died before it could say whose it is: then nothing can be in it yet.
            const auto found = occupancy(name);
            if (!found.ok() || found.value() != Occupancy::empty) continue;
        }
        names.push_back(std::move(name));
    }
    return names;
}

Status end_other_sessions(Connection& maintenance, const std::string& id) {
    constexpr auto kPatience = std::chrono::seconds(10);
    const std::vector<std::string> name{application_name(id)};
    for (const auto give_up = after(kPatience); std::chrono::steady_clock::now() < give_up;) {
        ASB_TRY(const auto living,
                maintenance.query_params("SELECT pg_terminate_backend(pid), pg_sleep(0.02) FROM "
                                         "pg_stat_activity WHERE application_name = $1 AND pid <> "
                                         "pg_backend_pid() AND usename = current_user",
                                         name));
        if (PQntuples(living.get()) == 0) return {};
    }
    return fail(Code::database, "sessions of application_name \"{}\" do not end", name[0]);
}

Status check_occupancy(const std::string& database, Occupancy occupancy, bool force) {
    if (occupancy != Occupancy::filled || force) return {};
    return with_hint(fail(Code::refused, "database \"{}\" is not empty", database),
                     "add --force to put the backup in its place (the old one is kept under "
                     "another name), or name an empty database in DATABASE_URL");
}

}  // namespace asb::postgres
