#include "engine/mongodb/server_error.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace asb {
namespace {

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

struct KnownCode {
    std::uint32_t code;
    std::string_view what;
    std::string_view hint;
    bool retryable = false;
};

constexpr std::string_view kNewPrimary =
    "the replica set has another primary or none now; nothing was published: run it again";
constexpr std::string_view kCursorLost =
    "an administrator or a restart ended the read; nothing was published: run it again";

// mongo/src/mongo/base/error_codes.yml
constexpr std::array kKnownCodes = {
    KnownCode{43, "the server no longer knows the cursor", kCursorLost, true},
    KnownCode{237, "the cursor was killed on the server", kCursorLost, true},
    KnownCode{11601, "the operation was interrupted on the server", kCursorLost, true},
    KnownCode{136, "the capped collection was overwritten while it was read",
              "run it again when fewer writes arrive", true},
    KnownCode{175, "the read was overtaken by a change of the collection", kCursorLost, true},
    KnownCode{50, "the operation took longer than the server allows", "look at the server's load",
              true},
    KnownCode{10107, "the server is no longer the primary", kNewPrimary, true},
    KnownCode{13435, "the server is not the primary", kNewPrimary, true},
    KnownCode{189, "the primary stepped down", kNewPrimary, true},
    KnownCode{11602, "a change of the replica set's state interrupted the read", kNewPrimary, true},
    KnownCode{13436, "the member is neither primary nor secondary", kNewPrimary, true},
    KnownCode{91, "the server is shutting down", kNewPrimary, true},
    KnownCode{11600, "the server is shutting down", kNewPrimary, true},
};

const KnownCode* known(std::uint32_t code) {
    const auto* found = std::ranges::find(kKnownCodes, code, &KnownCode::code);
    return found == kKnownCodes.end() ? nullptr : &*found;
}

std::string user_name(const MongoSite& site) {
    return site.user.empty() ? "nobody (no user in the URL)"
                             : fmt::format("user '{}'", printable(site.user));
}

Error unauthorized(const MongoSite& site, std::string_view action, std::string_view name_space) {
    return with_hint(
        fail(Code::database, "{} may not {} on {}: the database at {} does not authorise it",
             user_name(site), action, printable(name_space), site.address),
        site.user.empty()
            ? std::string("name a user with the role backup in DATABASE_URL: "
                          "mongodb://user:password@host/...&authSource=admin")
            : fmt::format("db.getSiblingDB('admin').grantRolesToUser('{}', ['backup']) -- for a "
                          "restore: ['restore', 'readWriteAnyDatabase']",
                          printable(site.user)));
}

Error refused(const MongoSite& site) {
    return with_hint(
        fail(Code::database, "the database at {} refuses {}: authentication failed", site.address,
             user_name(site)),
        "check user, password and authSource in DATABASE_URL (a user of the database admin needs "
        "?authSource=admin)");
}

struct TextHint {
    std::string_view part;
    std::string_view hint;
};
constexpr std::array kNetworkHints = {
    TextHint{"efused", "check host and port in DATABASE_URL, that the server runs, and its bindIp"},
    TextHint{"Name or service not known", "check the host name in DATABASE_URL"},
    TextHint{"TLS files",
             "tlsCAFile and tlsCertificateKeyFile in DATABASE_URL must name readable PEM files"},
    TextHint{"certificate verify failed",
             "name the certificate authority that signed the server's certificate: "
             "tlsCAFile=/path/to/ca.crt in DATABASE_URL"},
    TextHint{"TLS", "check tls, tlsCAFile and tlsCertificateKeyFile in DATABASE_URL"},
    TextHint{"SRV", "check the host name of mongodb+srv in DATABASE_URL and the name server"},
};

// libmongoc's "No suitable servers found (...): [db1:27017: connection refused] [...]" without its
// own preamble.
std::string_view reasons(std::string_view message) {
    const auto from = message.find(": [");
    if (!message.starts_with("No suitable servers") || from == std::string_view::npos)
        return message;
    return message.substr(from + 2);
}

Error unreachable(const MongoSite& site, std::string_view message) {
    std::string_view hint =
        "check host, port and replicaSet in DATABASE_URL, that the server runs, and the network "
        "between";
    for (const TextHint& entry : kNetworkHints)
        if (contains(message, entry.part)) {
            hint = entry.hint;
            break;
        }
    Error error = fail(Code::database, "cannot reach the database at {}: {}", site.address,
                       printable(reasons(message)));
    error.retryable = true;
    return with_hint(std::move(error), std::string(hint));
}

// libmongoc calls whatever fails during the login a failed login, and keeps the message only.
bool was_cut_off(std::string_view message) {
    constexpr std::array kParts = {"socket error", "Failed to read", "Failed to send",
                                   "timed out",    "timeout",        "stream"};
    return std::ranges::any_of(kParts, [&](const char* part) { return contains(message, part); });
}

Error broken(const MongoSite& site, std::string_view action, std::string_view name_space,
             std::string_view message) {
    Error error = fail(Code::database, "the connection to the database at {} broke in {} on {}: {}",
                       site.address, action, printable(name_space), printable(message));
    error.retryable = true;
    return with_hint(std::move(error),
                     "look at the server's log for that moment, then run it again");
}

Error server_said(const bson_error_t& error, const MongoSite& site, std::string_view action,
                  std::string_view name_space) {
    if (error.code == kUnauthorizedCode) return unauthorized(site, action, name_space);
    if (error.code == 18) return refused(site);
    if (const KnownCode* entry = known(error.code)) {
        Error made = fail(Code::database, "{} on {} at {}: {} (code {})", action,
                          printable(name_space), site.address, entry->what, error.code);
        made.retryable = entry->retryable;
        return with_hint(std::move(made), std::string(entry->hint));
    }
    const bool full = error.code == 14031;  // OutOfDiskSpace
    return with_hint(
        fail(full ? Code::space : Code::database, "{} on {} at {}: {} (code {})", action,
             printable(name_space), site.address, printable(error.message), error.code),
        full ? "free some space on the database server's disk" : "");
}

}  // namespace

bool is_server_error(const bson_error_t& error, std::uint32_t code) {
    return error.domain == MONGOC_ERROR_SERVER && error.code == code;
}

Error mongo_error(const bson_error_t& error, const MongoSite& site, std::string_view action,
                  std::string_view name_space) {
    const std::string_view message = error.message;
    if (error.domain == MONGOC_ERROR_CLIENT && error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        return was_cut_off(message) ? broken(site, action, name_space, message) : refused(site);
    if (error.domain == MONGOC_ERROR_SERVER || error.domain == MONGOC_ERROR_WRITE_CONCERN)
        return server_said(error, site, action, name_space);
    if (error.domain == MONGOC_ERROR_SERVER_SELECTION)
        return contains(message, "uthentication failed") ? refused(site)
                                                         : unreachable(site, message);
    if (error.domain == MONGOC_ERROR_STREAM && error.code == MONGOC_ERROR_STREAM_NAME_RESOLUTION)
        return unreachable(site, message);
    if (error.domain == MONGOC_ERROR_STREAM) return broken(site, action, name_space, message);
    return fail(Code::database, "{} on {} at {}: {}", action, printable(name_space), site.address,
                printable(message));
}

}  // namespace asb
