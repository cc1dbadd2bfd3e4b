#include "engine/postgres/private_instance.hpp"

#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/text.hpp"
#include "codec/digest.hpp"
#include "engine/postgres/server_error.hpp"

namespace asb::postgres {
namespace {

using namespace std::chrono_literals;

constexpr auto kPollInterval = 50ms;
constexpr auto kRecoveryTimeout = 24h;  // a bound, not an expectation: WAL of one backup is minutes
constexpr auto kCleanStopTimeout = 10min;  // a shutdown checkpoint without fsync
constexpr auto kQuickStopTimeout = 5s;
constexpr auto kSingleUserTimeout = 10min;
constexpr std::size_t kLogLinesShown = 8;
constexpr std::size_t kLogBytesMax = 64 * kMiB;
constexpr const char* kPort = "5432";

std::string socket_name(const std::string& folder) {
    return folder + "/.s.PGSQL." + kPort;
}

// A unix socket's whole path must fit into sun_path, 108 bytes with its NUL (unix(7)).
bool fits_socket(const std::string& folder) {
    return socket_name(folder).size() < sizeof(sockaddr_un::sun_path);
}

std::string last_lines(const std::string& text) {
    auto lines = split(trim(text), '\n');
    if (lines.size() > kLogLinesShown)
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kLogLinesShown));
    for (auto& line : lines) line = printable(line);
    return join(lines, " | ");
}

std::string random_role() {
    std::array<std::byte, 8> random{};
    random_bytes(random);
    return "asb_restore_" + to_hex(random);
}

}  // namespace

Result<std::unique_ptr<PrivateInstance>> PrivateInstance::start(Options options, StagingArea& area,
                                                                const SessionContext& context) {
    std::unique_ptr<PrivateInstance> instance(
        new PrivateInstance(std::move(options), area, context));
    context.progress.begin_stage("recovering in a private server", 0);
    ASB_CHECK(instance->prepare_folders());
    ASB_CHECK(instance->launch());
    ASB_CHECK(instance->wait_until_ready());
    return instance;
}

PrivateInstance::~PrivateInstance() {
    if (server_) {
        server_->signal(SIGQUIT);
        server_->wait(after(kQuickStopTimeout));
        server_.reset();
    }
    if (socket_folder_elsewhere_) static_cast<void>(remove_tree(socket_folder_));
}

Status PrivateInstance::prepare_folders() {
    StagedTree& tree = area_.tree();
    ASB_CHECK(tree.make_folder("socket"));
    ASB_CHECK(tree.write_file("server/postgresql.conf", ""));
    ASB_CHECK(tree.write_file("server/pg_hba.conf", "local all all trust\n"));
    ASB_CHECK(tree.write_file("server/pg_ident.conf", ""));
    // What ALTER SYSTEM set on the original (archiving, libraries, other servers) is not for here.
    if (truncate((options_.data_directory + "/postgresql.auto.conf").c_str(), 0) != 0 &&
        errno != ENOENT)
        return errno_error(errno, "cannot empty",
                           options_.data_directory + "/postgresql.auto.conf");
    socket_folder_ = area_.below("socket");
    if (fits_socket(socket_folder_)) return {};
    std::string elsewhere = "/tmp/asb-socket-XXXXXX";
    if (mkdtemp(elsewhere.data()) == nullptr)
        return errno_error(errno, "cannot create a folder for a socket in", "/tmp");
    socket_folder_ = elsewhere;
    socket_folder_elsewhere_ = true;
    ASB_TRY(const auto folder, StagedTree::open(socket_folder_, options_.owner));
    return give_to(options_.owner, folder.root_fd(), socket_folder_);
}

std::vector<std::string> PrivateInstance::settings() const {
    std::vector<std::pair<std::string, std::string>> values = {
        {"config_file", area_.below("server/postgresql.conf")},
        {"hba_file", area_.below("server/pg_hba.conf")},
        {"ident_file", area_.below("server/pg_ident.conf")},
        {"listen_addresses", ""},
        {"unix_socket_directories", socket_folder_},
        {"unix_socket_permissions", "0700"},
        {"port", kPort},
        {"ssl", "off"},
        {"archive_mode", "off"},
        {"wal_level", "minimal"},
        {"max_wal_senders", "0"},
        {"hot_standby", "off"},
        {"shared_preload_libraries", ""},
        {"session_preload_libraries", ""},
        {"local_preload_libraries", ""},
        // A throw-away copy: speed matters, a power failure does not.
        {"fsync", "off"},
        {"full_page_writes", "off"},
        {"synchronous_commit", "off"},
        {"autovacuum", "off"},
        {"jit", "off"},
        {"max_wal_size", "4GB"},
        {"restart_after_crash", "off"},
        // Each pg_dump worker is a connection; transactions that were prepared on the original come
        // back with recovery and need their places; pg_dump holds a lock on every table.
        {"max_connections", std::to_string(20 + 2 * options_.jobs)},
        {"max_prepared_transactions", "512"},
        {"max_locks_per_transaction", "1024"},
        {"logging_collector", "off"},
        {"log_destination", "stderr"},
        {"log_statement", "none"},
        {"lc_messages", "C"},
    };
    if (options_.programs.major >= 17) values.emplace_back("event_triggers", "off");
    if (options_.recovery)
        for (auto& setting : recovery_settings(*options_.recovery, options_.wal_way))
            values.push_back(std::move(setting));
    std::vector<std::string> arguments;
    for (const auto& [name, value] : values) {
        arguments.emplace_back("-c");
        arguments.push_back(fmt::format("{}={}", name, value));
    }
    return arguments;
}

Command PrivateInstance::server_command() const {
    Command command{
        .arguments = {options_.programs.path("postgres"), "-D", options_.data_directory},
        .environment = {},
        .run_as = std::nullopt,
        .folder = area_.path()};
    for (auto& argument : settings()) command.arguments.push_back(std::move(argument));
    if (options_.owner) command.run_as = options_.owner->user;
    return command;
}

Command PrivateInstance::single_user_command() const {
    Command command = server_command();
    command.arguments.insert(command.arguments.begin() + 1, "--single");
    command.arguments.emplace_back("template1");
    return command;
}

Status PrivateInstance::launch() {
    ASB_TRY(server_, ChildProcess::start(server_command(), area_.below("server.log")));
    return {};
}

ConninfoWords PrivateInstance::words(const std::string& database) const {
    return {{"host", socket_folder_},
            {"hostaddr", ""},
            {"port", kPort},
            {"user", superuser_},
            {"dbname", database},
            {"sslmode", "disable"},
            {"gssencmode", "disable"},
            {"connect_timeout", "10"},
            // Stronger than what ALTER ROLE or ALTER DATABASE set on the original.
            {"options",
             "-c session_preload_libraries= -c default_transaction_read_only=off "
             "-c statement_timeout=0 -c row_security=off"}};
}

Result<Connection> PrivateInstance::connect(const std::string& database) const {
    return Connection::open("port=5432", {.overrides = words(database)}, stop_);
}

std::vector<std::pair<std::string, std::string>> PrivateInstance::environment() const {
    return {{"PGHOST", socket_folder_},  {"PGPORT", kPort},
            {"PGUSER", superuser_},      {"PGSSLMODE", "disable"},
            {"PGGSSENCMODE", "disable"}, {"PGOPTIONS", word(words(""), "options")},
            {"LC_MESSAGES", "C"}};
}

Status PrivateInstance::wait_until_ready() {
    const auto deadline = after(kRecoveryTimeout);
    while (std::chrono::steady_clock::now() < deadline) {
        ASB_CHECK(stop_.check());
        if (const auto status = server_->poll_exit()) return ended_error(*status);
        ASB_TRY(const bool ready, try_to_connect());
        if (ready) return {};
        std::this_thread::sleep_for(kPollInterval);
    }
    return fail(Code::database, "the private server did not finish its recovery in time");
}

// True once a superuser's session stands; false while the server is not ready yet.
Result<bool> PrivateInstance::try_to_connect() {
    if (access(socket_name(socket_folder_).c_str(), F_OK) != 0) return false;
    Error last;
    for (const char* database : {"template1", "postgres"}) {
        auto connection = connect(database);
        if (!connection.ok()) {
            if (connection.error().code == Code::interrupted) return connection.error();
            if (connection.error().retryable) return false;
            last = connection.error();
            continue;
        }
        ASB_TRY(const auto is_super,
                connection->query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"));
        if (cell(is_super, 0, 0) != "t") break;
        maintenance_database_ = database;
        return true;
    }
    if (!own_role_.empty()) return last;
    ASB_CHECK(make_own_superuser());
    return false;
}

Status PrivateInstance::make_own_superuser() {
    log_.debug("no superuser 'postgres' in the backup: making one in the private copy");
    own_role_ = random_role();
    ASB_CHECK(stop_cleanly());
    ASB_TRY(const auto made, run_command(single_user_command(),
                                         fmt::format("CREATE ROLE {} SUPERUSER LOGIN\n", own_role_),
                                         stop_, after(kSingleUserTimeout)));
    if (made.exit_status != 0 || made.errors.find("ERROR:") != std::string::npos)
        return fail(Code::database, "cannot make a superuser in the private copy: {}",
                    last_lines(made.errors));
    superuser_ = own_role_;
    return launch();
}

Status PrivateInstance::stop_cleanly() {
    server_->signal(SIGINT);
    if (!server_->wait(after(kCleanStopTimeout)))
        return fail(Code::database, "the private server does not stop");
    server_.reset();
    return {};
}

Error PrivateInstance::ended_error(int exit_status) const {
    const auto text = read_file(area_.below("server.log"), kLogBytesMax);
    if (text.ok() && text.value().find(kDiskFullText) != std::string::npos)
        return with_hint(fail(Code::space, "the private PostgreSQL {} server ran out of disk: {}",
                              options_.programs.major, last_lines(text.value())),
                         "name a folder on a larger disk with TMPDIR");
    return with_hint(
        fail(Code::database, "the private PostgreSQL {} server ended with status {}: {}",
             options_.programs.major, exit_status,
             text.ok() ? last_lines(text.value()) : text.error().fact),
        "restore with --target-dir to look at the data directory itself");
}

}  // namespace asb::postgres
