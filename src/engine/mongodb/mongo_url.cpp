#include "engine/mongodb/mongo_url.hpp"

#include "base/text.hpp"

namespace asb {
namespace {

constexpr const char* kAppName = "auth-service-backup";

Error not_an_address(std::string_view what) {
    return with_hint(fail(Code::usage, "DATABASE_URL is not a MongoDB address: {}", what),
                     "write it as mongodb://user:password@host:27017/database?replicaSet=name; in "
                     "user and password, @ is %40, / is %2F, : is %3A, ? is %3F, # is %23 and % is "
                     "%25");
}

std::string or_empty(const char* text) {
    return text == nullptr ? std::string() : text;
}

// What is wrong with an address that libmongoc refuses, in words that hold none of it.
std::string_view complaint(std::string_view text) {
    const auto end = text.find("://");
    std::string_view rest = text.substr(end + 3);
    const auto hosts_end = rest.find_first_of("/?");
    const auto at = rest.rfind('@');
    if (rest.empty()) return "it names no host";
    if (at != std::string_view::npos && hosts_end != std::string_view::npos && at > hosts_end)
        return "the password holds a character that must be escaped";
    if (at != std::string_view::npos && rest.substr(0, at).find('@') != std::string_view::npos)
        return "the password holds a character that must be escaped";
    if (text.starts_with("mongodb+srv://"))
        return "mongodb+srv takes one host name with at least two dots, and no port";
    return "its hosts or options cannot be understood";
}

bool is_about_members(std::string_view key) {
    const std::string lower = [&] {
        std::string made(key);
        for (char& c : made)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        return made;
    }();
    return lower.starts_with("readpreference") || lower == "maxstalenessseconds" ||
           lower == "directconnection" || lower == "loadbalanced" || lower.starts_with("srv");
}

void copy_option(mongoc_uri_t* uri, const bson_iter_t& option) {
    const char* key = bson_iter_key(&option);
    if (BSON_ITER_HOLDS_UTF8(&option))
        mongoc_uri_set_option_as_utf8(uri, key, bson_iter_utf8(&option, nullptr));
    else if (BSON_ITER_HOLDS_BOOL(&option))
        mongoc_uri_set_option_as_bool(uri, key, bson_iter_bool(&option));
    else if (BSON_ITER_HOLDS_INT32(&option))
        mongoc_uri_set_option_as_int32(uri, key, bson_iter_int32(&option));
    else if (BSON_ITER_HOLDS_INT64(&option))
        mongoc_uri_set_option_as_int64(uri, key, bson_iter_int64(&option));
}

void copy_credentials(mongoc_uri_t* to, const mongoc_uri_t* from) {
    if (const char* user = mongoc_uri_get_username(from)) mongoc_uri_set_username(to, user);
    if (const char* password = mongoc_uri_get_password(from)) mongoc_uri_set_password(to, password);
    if (const char* mechanism = mongoc_uri_get_auth_mechanism(from))
        mongoc_uri_set_auth_mechanism(to, mechanism);
    if (const char* source = mongoc_uri_get_auth_source(from))
        mongoc_uri_set_auth_source(to, source);
    bson_t properties;
    if (mongoc_uri_get_mechanism_properties(from, &properties))
        mongoc_uri_set_mechanism_properties(to, &properties);
}

}  // namespace

Result<MongoUrl> MongoUrl::parse(std::string_view text) {
    start_mongoc();
    if (!text.starts_with("mongodb://") && !text.starts_with("mongodb+srv://"))
        return not_an_address("it does not begin with mongodb:// or mongodb+srv://");
    bson_error_t error{};  // not shown: it may quote the text, password and all
    MongoUri uri(mongoc_uri_new_with_error(std::string(text).c_str(), &error));
    if (uri == nullptr) return not_an_address(complaint(text));
    if (mongoc_uri_get_appname(uri.get()) == nullptr) mongoc_uri_set_appname(uri.get(), kAppName);
    return MongoUrl(std::move(uri));
}

MongoUrl MongoUrl::of_client(const mongoc_client_t* client) {
    return MongoUrl(MongoUri(mongoc_uri_copy(mongoc_client_get_uri(client))));
}

Result<MongoUrl> MongoUrl::direct(std::string_view host_and_port, bool keep_set) const {
    const auto colon = host_and_port.rfind(':');
    const auto port = parse_u64(host_and_port.substr(colon + 1));
    std::string host(host_and_port.substr(0, colon));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const bool unix_socket = host_and_port.ends_with(".sock");
    if (!unix_socket && (colon == std::string_view::npos || !port || *port == 0 || *port > 65535))
        return fail(Code::database, "'{}' is no address of a server", printable(host_and_port));
    MongoUri uri(unix_socket
                     ? mongoc_uri_copy(uri_.get())
                     : mongoc_uri_new_for_host_port(host.c_str(), static_cast<uint16_t>(*port)));
    if (uri == nullptr)
        return fail(Code::database, "'{}' is no address of a server", printable(host_and_port));
    bson_iter_t option;
    if (bson_iter_init(&option, mongoc_uri_get_options(uri_.get())))
        while (bson_iter_next(&option)) {
            const std::string_view key = bson_iter_key(&option);
            if (!is_about_members(key) && (keep_set || key != "replicaset"))
                copy_option(uri.get(), option);
        }
    copy_credentials(uri.get(), uri_.get());
    if (const char* path = mongoc_uri_get_database(uri_.get()))
        mongoc_uri_set_database(uri.get(), path);
    mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_DIRECTCONNECTION, true);
    return MongoUrl(std::move(uri));
}

Result<MongoUrl> MongoUrl::at_member(std::string_view host_and_port) const {
    return direct(host_and_port, true);
}

Result<MongoUrl> MongoUrl::without_set(std::string_view host_and_port) const {
    return direct(host_and_port, false);
}

std::string MongoUrl::database() const {
    return or_empty(mongoc_uri_get_database(uri_.get()));
}

std::string MongoUrl::user() const {
    return or_empty(mongoc_uri_get_username(uri_.get()));
}

std::string MongoUrl::replica_set() const {
    return or_empty(mongoc_uri_get_replica_set(uri_.get()));
}

std::vector<std::string> MongoUrl::hosts() const {
    std::vector<std::string> hosts;
    for (const auto* host = mongoc_uri_get_hosts(uri_.get()); host != nullptr; host = host->next)
        hosts.emplace_back(host->host_and_port);
    if (const char* service = mongoc_uri_get_srv_hostname(uri_.get()); hosts.empty() && service)
        hosts.emplace_back(service);
    return hosts;
}

std::string MongoUrl::address() const {
    return printable(join(hosts(), ","));
}

bool MongoUrl::tls() const {
    return mongoc_uri_get_tls(uri_.get());
}

bool MongoUrl::has_read_preference() const {
    return mongoc_uri_has_option(uri_.get(), MONGOC_URI_READPREFERENCE);
}

}  // namespace asb
