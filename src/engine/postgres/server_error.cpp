#include "engine/postgres/server_error.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace asb {
namespace {

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// Where "FATAL:  28P01: " begins its state, or npos. The severity may be in any language; two
// blanks, five characters of SQLSTATE and a colon are the same in all of them.
std::size_t find_sqlstate(std::string_view message) {
    const auto is_state_character = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    };
    for (std::size_t at = message.find(":  "); at != std::string_view::npos;
         at = message.find(":  ", at + 1)) {
        const std::string_view state = message.substr(at + 3, 5);
        if (state.size() == 5 && std::ranges::all_of(state, is_state_character) &&
            message.substr(at + 8).starts_with(": "))
            return at + 3;
    }
    return std::string_view::npos;
}

// The server's own sentence without state, location or libpq's preamble; else the first line.
std::string primary_text(std::string_view message) {
    const std::size_t state = find_sqlstate(message);
    if (state != std::string_view::npos) message.remove_prefix(state + 7);
    const std::string_view line = message.substr(0, message.find('\n'));
    return printable(trim(line));
}

// The text between the quotation marks that follow `word`, or empty.
std::string_view quoted_after(std::string_view text, std::string_view word) {
    const std::size_t at = text.find(word);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + word.size());
    return text.substr(0, text.find('"'));
}

std::string sql_name(std::string_view name) {
    std::string quoted = "\"";
    for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
    return quoted + '"';
}

// A word of pg_hba.conf: quoted unless it is plain.
std::string hba_name(std::string_view name) {
    const bool plain = !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
    return plain ? std::string(name) : sql_name(name);
}

std::string hba_hint(const ConnectionTarget& target, std::string_view message) {
    ConnectionTarget seen = target;
    seen.tls = target.tls || contains(message, "SSL encryption");
    const std::string_view client = quoted_after(message, "host \"");
    if (client == "[local]") seen.unix_socket = true;
    return fmt::format(
        "add this line to the server's pg_hba.conf: {} -- then run: SELECT "
        "pg_reload_conf();",
        hba_line(seen, client));
}

std::string login_hint(const ConnectionTarget& target, std::string_view message) {
    if (contains(message, "pg_hba.conf")) return hba_hint(target, message);
    if (contains(message, "does not exist"))
        return fmt::format("CREATE ROLE {} LOGIN REPLICATION PASSWORD '...';",
                           sql_name(target.user));
    if (contains(message, "not permitted to log in"))
        return fmt::format("ALTER ROLE {} LOGIN;", sql_name(target.user));
    return "the method of the pg_hba.conf line that matches does not let this user in; use "
           "scram-sha-256 with a password, or run as the operating system user it expects";
}

std::string wal_senders_hint(std::string_view message) {
    if (contains(message, "max_wal_senders"))
        return "ALTER SYSTEM SET max_wal_senders = 10; ALTER SYSTEM SET wal_level = 'replica'; -- "
               "then restart the server";
    return "the server is at max_connections: end idle sessions, or ALTER SYSTEM SET "
           "max_connections, then restart the server";
}

std::string configuration_hint(std::string_view message) {
    if (contains(message, "promoted"))
        return "the server became a primary while it was copied, so this copy is of no use: run "
               "the backup again";
    if (contains(message, "wal_level"))
        return "ALTER SYSTEM SET wal_level = 'replica'; -- then restart the server";
    if (contains(message, "replication slots") || contains(message, "max_replication_slots"))
        return "drop a slot that nobody uses (SELECT slot_name, active FROM "
               "pg_replication_slots;), or ALTER SYSTEM SET max_replication_slots = 10; -- then "
               "restart the server";
    return {};
}

std::string privilege_hint(const ConnectionTarget& target) {
    if (!target.replication) return {};
    return fmt::format("ALTER ROLE {} REPLICATION;", sql_name(target.user));
}

std::string removed_wal_hint(std::string_view message) {
    if (!contains(message, "WAL segment")) return {};
    return "the server dropped WAL that this backup had reserved: raise max_slot_wal_keep_size "
           "(ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();)";
}

// What mends the state `state`; empty when nothing certain can be said.
std::string hint_for(const ConnectionTarget& target, std::string_view state,
                     std::string_view message) {
    if (state == "28P01")
        return fmt::format(
            "check user and password in DATABASE_URL; to set a new one: ALTER ROLE "
            "{} PASSWORD '...';",
            sql_name(target.user));
    if (state == "28000") return login_hint(target, message);
    if (state == "42501") return privilege_hint(target);
    if (state == "53300") return wal_senders_hint(message);
    if (state == "53400" || state == "55000") return configuration_hint(message);
    if (state == "58P01") return removed_wal_hint(message);
    if (state == "3D000")
        return fmt::format("CREATE DATABASE {}; or name one that exists in DATABASE_URL",
                           sql_name(target.database));
    if (state == "57P03") return "wait until the server accepts connections, then try again";
    return {};
}

struct TextHint {
    std::string_view part;  // of libpq's own text, which has no SQLSTATE
    std::string_view hint;
};
constexpr std::array kClientHints = {
    TextHint{"no password supplied",
             "put the password into DATABASE_URL (postgresql://user:password@host/database) or "
             "into the file that PGPASSFILE names"},
    TextHint{"certificate verify failed",
             "name the certificate authority that signed the server's certificate: "
             "sslrootcert=/path/to/ca.crt in DATABASE_URL"},
    TextHint{"does not match host name",
             "use the host name that the server's certificate holds, or have a certificate issued "
             "for this one"},
    TextHint{"root certificate file",
             "put the certificate authority's file there, or name it: sslrootcert=/path/to/ca.crt "
             "in DATABASE_URL"},
    TextHint{"server does not support SSL",
             "turn TLS on at the server (ssl = on in postgresql.conf), or do not ask for it with "
             "sslmode"},
    TextHint{"could not translate host name", "check the host name in DATABASE_URL"},
    TextHint{"Connection refused",
             "check host and port in DATABASE_URL, that the server runs, and its listen_addresses"},
    TextHint{"No such file or directory",
             "check that the server runs and that the socket's folder in DATABASE_URL is the one "
             "of unix_socket_directories"},
};

std::string client_hint(std::string_view message) {
    for (const TextHint& entry : kClientHints)
        if (contains(message, entry.part)) return std::string(entry.hint);
    return "check host and port in DATABASE_URL, that the server runs, and the network between";
}

// libpq's line without its "connection to server at ... failed: ".
std::string client_text(std::string_view message) {
    const std::string_view line = message.substr(0, message.find('\n'));
    constexpr std::string_view kMarker = " failed: ";
    const std::size_t at = line.find(kMarker);
    return printable(trim(at == std::string_view::npos ? line : line.substr(at + kMarker.size())));
}

}  // namespace

std::string sqlstate_in(std::string_view message) {
    const std::size_t at = find_sqlstate(message);
    return at == std::string_view::npos ? std::string() : std::string(message.substr(at, 5));
}

std::string hba_line(const ConnectionTarget& target, std::string_view client_address) {
    const std::string database = target.replication ? "replication" : hba_name(target.database);
    const std::string user = hba_name(target.user);
    if (target.unix_socket) return fmt::format("local {} {} scram-sha-256", database, user);
    const std::string_view client = client_address.empty() ? "<address>" : client_address;
    const int bits = contains(client, ":") ? 128 : 32;
    return fmt::format("{} {} {} {}/{} scram-sha-256", target.tls ? "hostssl" : "host", database,
                       user, client, bits);
}

Error connection_error(const ConnectionTarget& target, std::string_view message) {
    const std::string state = sqlstate_in(message);
    if (state.empty()) {
        Error error = fail(Code::database, "cannot reach the database at {}: {}", target.address(),
                           client_text(message));
        error.retryable = true;
        return with_hint(std::move(error), client_hint(message));
    }
    const std::string_view purpose = target.replication ? " for replication" : "";
    Error error = fail(Code::database, "the database at {} refuses {}{}: {}", target.address(),
                       sql_name(target.user), purpose, primary_text(message));
    error.retryable = state == "57P03" || state == "53300";
    return with_hint(std::move(error), hint_for(target, state, message));
}

Error server_error(const ConnectionTarget& target, std::string_view state,
                   std::string_view message) {
    if (state.empty() || state.starts_with("57P0")) {
        Error error = fail(Code::database, "the connection to the database at {} broke: {}",
                           target.address(), primary_text(message));
        error.retryable = true;
        return with_hint(std::move(error),
                         "look at the server's log for that moment, then run it "
                         "again");
    }
    // disk_full; the hint names the disk, since there may be another one here.
    const bool full = state == "53100";
    return with_hint(
        fail(full ? Code::space : Code::database, "the database at {} says: {} (SQLSTATE {})",
             target.address(), primary_text(message), state),
        full ? "free some space on the database server's disk" : hint_for(target, state, message));
}

Status check_server_version(int version_number, std::string_view version_text) {
    const int major = version_number / 10000;
    if (major >= kServerMajorMin && major <= kServerMajorMax) return {};
    const std::string_view version = version_text.substr(0, version_text.find(' '));
    return with_hint(fail(Code::database, "PostgreSQL {} is not supported ({} to {} are)", version,
                          kServerMajorMin, kServerMajorMax),
                     major < kServerMajorMin ? "upgrade the server with pg_upgrade"
                                             : "use a newer release of auth-service-backup");
}

}  // namespace asb
