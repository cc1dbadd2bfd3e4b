#include "lib/postgres_server.hpp"

#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb::test {
namespace {

constexpr std::chrono::seconds kProgramTimeout{60};
constexpr std::chrono::seconds kStartTimeout{60};

template <typename T>
T take(Result<T> result) {
    if (!result.ok()) throw std::runtime_error(to_text(result.error()));
    return std::move(result).value();
}

std::string environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
}

std::optional<std::string> server_user() {
    return ::geteuid() == 0 ? std::optional<std::string>("postgres") : std::nullopt;
}

std::string run(const Command& command) {
    const CommandResult result =
        take(run_command(command, "", StopToken(), after(kProgramTimeout)));
    if (result.exit_status != 0)
        throw std::runtime_error(
            fmt::format("{}: {}{}", command.arguments.front(), result.output, result.errors));
    return result.output;
}

int free_port() {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), generic, size) != 0 ||
        ::getsockname(socket.get(), generic, &size) != 0)
        throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
}

void write_lines(const std::string& path, const std::vector<std::string>& lines) {
    std::ofstream file(path, std::ios::trunc);
    for (const std::string& line : lines) file << line << '\n';
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

// A query string's value.
std::string percent_encoded(const std::string& text) {
    std::string encoded;
    for (const char c : text)
        encoded += c == '/' || c == '%' || c == '@' || c == ':' || c == '?' || c == '#' ||
                           c == '&' || c == ' '
                       ? fmt::format("%{:02X}", static_cast<unsigned char>(c))
                       : std::string(1, c);
    return encoded;
}

}  // namespace

int postgres_major() {
    const std::string major = environment("ASB_POSTGRES_MAJOR");
    return major.empty() ? 15 : std::stoi(major);
}

std::string postgres_bin_dir() {
    std::string named = environment(fmt::format("ASB_POSTGRES_{}_BIN", postgres_major()));
    if (!named.empty()) return named;
    return std::string(trim(run(
        {.arguments = {"pg_config", "--bindir"}, .environment = {}, .run_as = {}, .folder = {}})));
}

std::string run_as_postgres(std::vector<std::string> arguments) {
    return run({.arguments = std::move(arguments),
                .environment = {},
                .run_as = server_user(),
                .folder = {}});
}

ServerFolder::ServerFolder() {
    const std::string base = environment("TMPDIR");
    path_ = (base.empty() ? std::string("/tmp") : base) + "/asb-postgres-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
    hand_over();
}

ServerFolder::~ServerFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void ServerFolder::hand_over() const {
    if (!server_user()) return;
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr) throw std::runtime_error("there is no user postgres");
    if (::chown(path_.c_str(), user->pw_uid, user->pw_gid) != 0)
        throw std::runtime_error("cannot chown " + path_);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_))
        if (::lchown(entry.path().c_str(), user->pw_uid, user->pw_gid) != 0)
            throw std::runtime_error("cannot chown " + entry.path().string());
}

PostgresServer::PostgresServer(const ServerOptions& options)
    : data_(folder_.path() + "/data"), port_(free_port()), settings_(options.settings) {
    const std::string password_file = folder_.path() + "/password";
    write_lines(password_file, {std::string(kSuperuserPassword)});
    folder_.hand_over();
    std::vector<std::string> initdb = {postgres_bin_dir() + "/initdb",
                                       "-D",
                                       data_,
                                       "-U",
                                       "postgres",
                                       "-A",
                                       "scram-sha-256",
                                       "--pwfile=" + password_file,
                                       "--no-sync",
                                       "--locale=C.UTF-8",
                                       "--encoding=UTF8"};
    initdb.insert(initdb.end(), options.initdb_arguments.begin(), options.initdb_arguments.end());
    run_as_postgres(std::move(initdb));
    write_hba(options.hba);
    start();
}

PostgresServer::PostgresServer(Existing /*tag*/, std::string data_directory,
                               std::vector<std::string> settings)
    : data_(std::move(data_directory)), port_(free_port()), settings_(std::move(settings)) {
    start();
}

std::unique_ptr<PostgresServer> PostgresServer::on(const std::string& data_directory,
                                                   std::vector<std::string> settings) {
    return std::unique_ptr<PostgresServer>(
        new PostgresServer(Existing(), data_directory, std::move(settings)));
}

PostgresServer::~PostgresServer() {
    if (process_ == nullptr) return;
    process_->signal(SIGQUIT);  // immediate shutdown: nothing here is worth a checkpoint
    process_->wait(after(std::chrono::seconds(10)));
}

void PostgresServer::start() {
    std::vector<std::string> arguments = {postgres_bin_dir() + "/postgres", "-D", data_};
    std::vector<std::string> settings = {fmt::format("port={}", port_),
                                         "listen_addresses=127.0.0.1",
                                         "unix_socket_directories=" + folder_.path(),
                                         "fsync=off",
                                         "max_connections=20",
                                         "shared_buffers=16MB",
                                         "log_min_messages=info"};
    settings.insert(settings.end(), settings_.begin(), settings_.end());
    for (const std::string& setting : settings) {
        arguments.emplace_back("-c");
        arguments.push_back(setting);
    }
    process_ = take(ChildProcess::start({.arguments = std::move(arguments),
                                         .environment = {},
                                         .run_as = server_user(),
                                         .folder = {}},
                                        folder_.path() + "/server.log"));
    wait_until_ready();
}

void PostgresServer::wait_until_ready() {
    const Deadline deadline = after(kStartTimeout);
    for (;;) {
        const auto connection = Connection::open(superuser_url(), {}, StopToken());
        if (connection.ok()) return;
        if (process_->poll_exit() || std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error(to_text(connection.error()) + "\n" + log());
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

void PostgresServer::stop() {
    process_->signal(SIGINT);  // fast shutdown: a checkpoint, and clients are sent away
    if (!process_->wait(after(std::chrono::seconds(60)))) throw std::runtime_error(log());
    process_.reset();
}

void PostgresServer::reload() {
    sql("SELECT pg_reload_conf()");
}

std::string PostgresServer::superuser_url(const std::string& database) const {
    return fmt::format("postgresql://postgres@/{}?host={}&port={}", database,
                       percent_encoded(folder_.path()), port_);
}

std::string PostgresServer::url(const std::string& user, const std::string& password,
                                const std::string& parameters) const {
    return fmt::format("postgresql://{}:{}@127.0.0.1:{}/postgres{}", percent_encoded(user),
                       percent_encoded(password), port_,
                       parameters.empty() ? "" : "?" + parameters);
}

std::string PostgresServer::socket_url(const std::string& user, const std::string& password) const {
    return fmt::format("postgresql://{}:{}@/postgres?host={}&port={}", percent_encoded(user),
                       percent_encoded(password), percent_encoded(folder_.path()), port_);
}

std::string PostgresServer::sql(const std::string& statement, const std::string& database) const {
    auto connection = take(Connection::open(superuser_url(database), {}, StopToken()));
    const PgResult result = take(connection.query(statement, after(std::chrono::minutes(5))));
    return PQntuples(result.get()) == 0 ? std::string() : std::string(cell(result, 0, 0));
}

std::string PostgresServer::log() const {
    return take(read_file(folder_.path() + "/server.log", 64 * kMiB));
}

void PostgresServer::write_hba(const std::vector<std::string>& lines) const {
    std::vector<std::string> all = {"local all postgres trust", "local replication postgres trust"};
    all.insert(all.end(), lines.begin(), lines.end());
    write_lines(data_ + "/pg_hba.conf", all);
}

}  // namespace asb::test
