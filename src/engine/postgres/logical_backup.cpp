#include "engine/postgres/logical_backup.hpp"

#include <unistd.h>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/postgres/logical_catalog.hpp"
#include "engine/postgres/logical_names.hpp"
#include "engine/postgres/logical_pipe.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/logical_server.hpp"

namespace asb {
namespace {

using namespace postgres;

// A part is collected in memory, for a tar entry needs its size beforehand.
constexpr std::size_t kPartBytes = 8 * kMiB;
// The manifest is 16 KiB at most, and a list of ten thousand backups reads nothing else.
constexpr std::size_t kDatabasesInFactsMax = 40;
constexpr std::chrono::minutes kGlobalsTimeout{10};
// A table that somebody keeps locked (ALTER TABLE in an open transaction) shall not hold us for
// ever.
constexpr const char* kLockWait = "--lock-wait-timeout=300000";  // ms

EntryHeader file_header(std::string name, std::uint64_t size) {
    EntryHeader header;
    header.name = std::move(name);
    header.size = size;
    header.uid = geteuid();
    header.gid = getegid();
    header.mtime_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch()).count();
    return header;
}

Status put(EntrySink& sink, std::string name, Bytes bytes) {
    ASB_CHECK(sink.begin(file_header(std::move(name), bytes.size())));
    if (!bytes.empty()) ASB_CHECK(sink.write(bytes));
    return sink.end();
}

// What most often keeps pg_dump from reading, and what mends it.
Error dump_error(const std::string& database, const std::string& user, int status,
                 const std::string& said) {
    auto error = program_error("pg_dump", database, status, said);
    const auto has = [&](const char* text) { return said.find(text) != std::string::npos; };
    if (has("row-level security"))
        error.hint = fmt::format("ALTER ROLE \"{}\" BYPASSRLS;", user);
    else if (has("large object"))
        error.hint =
            "large objects can be read by their owner and by superusers only, or with "
            "GRANT SELECT ON LARGE OBJECT";
    else if (has("permission denied"))
        error.hint = fmt::format("GRANT pg_read_all_data TO \"{}\";", user);
    else if (has("lock timeout"))
        error.hint =
            "a session keeps a table locked: look at pg_locks and pg_stat_activity, then "
            "run the backup again";
    return error;
}

class LogicalBackupSession final : public BackupSession {
  public:
    LogicalBackupSession(SessionContext context, LogicalServer server, ClientPrograms programs,
                         ProgramEnvironment environment, NotPhysical why)
        : context_(std::move(context)),
          server_(std::move(server)),
          programs_(std::move(programs)),
          environment_(std::move(environment)),
          why_(std::move(why)) {
        if (!why_.fact.empty())
            facts_.warnings.push_back(
                fmt::format("a logical backup, since no physical one could "
                            "be had: {}; the fix: {}",
                            why_.fact, why_.fix));
    }

    [[nodiscard]] std::uint64_t expected_bytes() const override { return server_.bytes; }
    [[nodiscard]] std::vector<std::string> plan() const override;
    Status write_entries(EntrySink& sink) override;
    [[nodiscard]] const BackupFacts& facts() const override { return facts_; }

  private:
    struct Dumped {
        std::string name;
        std::uint64_t bytes = 0;
        Instant started_at;
    };
    Status write_globals(EntrySink& sink);
    Status write_dump(const std::string& database, EntrySink& sink);
    Result<std::uint64_t> write_parts(PipedProgram& program, const std::string& database,
                                      EntrySink& sink);
    [[nodiscard]] Command command(const char* program, std::vector<std::string> arguments) const;
    void record();

    SessionContext context_;
    LogicalServer server_;
    ClientPrograms programs_;
    ProgramEnvironment environment_;
    NotPhysical why_;
    std::vector<Dumped> dumped_;
    BackupFacts facts_;
};

std::vector<std::string> LogicalBackupSession::plan() const {
    std::vector<std::string> names;
    for (const auto& database : server_.catalog.databases) names.push_back(database.name);
    std::vector<std::string> lines = {
        fmt::format("connected to {} as {}", server_.address, server_.user),
        fmt::format("dump PostgreSQL {}{} with pg_dump {} ({}): {}", server_.version,
                    server_.in_recovery ? " (standby)" : "", programs_.version, programs_.folder,
                    join(names, ", ")),
        fmt::format("add the roles, {} their passwords",
                    server_.catalog.roles.passwords ? "with" : "without")};
    for (const auto& closed : server_.closed) lines.push_back("leave out " + closed);
    for (const auto& warning : facts_.warnings) lines.push_back("warning: " + warning);
    return lines;
}

Command LogicalBackupSession::command(const char* program,
                                      std::vector<std::string> arguments) const {
    Command command{.arguments = {programs_.path(program)},
                    .environment = environment_,
                    .run_as = std::nullopt,
                    .folder = ""};
    for (auto& argument : arguments) command.arguments.push_back(std::move(argument));
    command.environment.emplace_back("LC_MESSAGES", "C");
    return command;
}

Status LogicalBackupSession::write_entries(EntrySink& sink) {
    ASB_CHECK(write_globals(sink));
    ASB_CHECK(put(sink, std::string(kCatalogEntry), as_bytes(to_text(server_.catalog))));
    for (const auto& database : server_.catalog.databases)
        ASB_CHECK(write_dump(database.name, sink));
    for (const auto& closed : server_.closed) facts_.incomplete.push_back(closed);
    if (!server_.catalog.roles.passwords)
        facts_.warnings.push_back(
            fmt::format("the backup holds the roles without their passwords, since \"{0}\" may not "
                        "read pg_authid: GRANT pg_read_all_data TO \"{0}\"; or back up as a "
                        "superuser",
                        server_.user));
    record();
    return {};
}

Status LogicalBackupSession::write_globals(EntrySink& sink) {
    std::vector<std::string> arguments = {"--globals-only", "--no-tablespaces", "--no-sync",
                                          "--database=" + dbname_word(server_.database)};
    if (!server_.catalog.roles.passwords) arguments.emplace_back("--no-role-passwords");
    ASB_TRY(auto globals, run_command(command("pg_dumpall", std::move(arguments)), "",
                                      context_.stop, after(kGlobalsTimeout)));
    if (globals.exit_status != 0)
        return program_error("pg_dumpall", server_.database, globals.exit_status, globals.errors);
    if (globals.output.size() >= kCapturedBytesMax)
        return fail(Code::database, "the cluster has more roles than fit into {} of globals.sql",
                    human_bytes(kCapturedBytesMax));
    globals.output += server_.tablespace_comments;
    return put(sink, std::string(kGlobalsEntry), as_bytes(globals.output));
}

Status LogicalBackupSession::write_dump(const std::string& database, EntrySink& sink) {
    if (const int error = fail_point("logical.dump"))
        return errno_error(error, "cannot dump database", database);
    const auto started_at = now();
    ASB_TRY(const auto program,
            PipedProgram::start(command("pg_dump", {"--format=custom", "--compress=0", kLockWait,
                                                    "--dbname=" + dbname_word(database)}),
                                context_.stop));
    ASB_TRY(const auto bytes, write_parts(*program, database, sink));
    ASB_TRY(const int status, program->finish());
    if (status != 0) {
        auto error = dump_error(database, server_.user, status, program->errors());
        if (!why_.fix.empty())
            error.hint += fmt::format("{}or, for a physical backup, {}",
                                      error.hint.empty() ? "" : " ", why_.fix);
        return error;
    }
    for (const auto& line : split(trim(program->errors()), '\n'))
        if (!line.empty())
            facts_.warnings.push_back(
                fmt::format("pg_dump of database \"{}\": {}", database, printable(line)));
    dumped_.push_back({database, bytes, started_at});
    return {};
}

Result<std::uint64_t> LogicalBackupSession::write_parts(PipedProgram& program,
                                                        const std::string& database,
                                                        EntrySink& sink) {
    Buffer part(kPartBytes);
    Buffer next(kPartBytes);
    ASB_CHECK(program.fill(part));
    std::uint64_t bytes = 0;
    for (std::uint64_t number = 1;; ++number) {
        if (part.room() == 0) ASB_CHECK(program.fill(next));
        const bool whole = number == 1 && next.empty();
        ASB_CHECK(
            put(sink, whole ? dump_entry(database) : dump_entry(database, number), part.view()));
        bytes += part.size();
        context_.progress.add(part.size());
        if (next.empty()) return bytes;
        std::swap(part, next);
        next.clear();
    }
}

void LogicalBackupSession::record() {
    Json databases = Json::array();
    std::uint64_t bytes = 0;
    for (const auto& dumped : dumped_) {
        bytes += dumped.bytes;
        if (databases.size() < kDatabasesInFactsMax)
            databases.push_back({{"name", printable(dumped.name)},
                                 {"bytes", dumped.bytes},
                                 {"started_at", to_iso8601(dumped.started_at)}});
    }
    facts_.engine = {
        {"name", "postgresql"},
        {"method", "logical"},
        {"version", server_.version},
        {"version_num", server_.version_number},
        {"from_standby", server_.in_recovery},
        {"pg_dump", programs_.version},
        {"pg_dump_major", programs_.major},
        {"databases", std::move(databases)},
        {"database_count", dumped_.size()},
        {"database_bytes", bytes},
        {"roles_with_passwords", server_.catalog.roles.passwords},
    };
}

}  // namespace

Result<std::unique_ptr<BackupSession>> open_logical_backup(const Settings& settings,
                                                           const SessionContext& context,
                                                           const NotPhysical& why) {
    const std::string& url = settings.text("DATABASE_URL");
    ASB_TRY(auto server, look_at_server(url, context.stop));
    ASB_TRY(auto programs, find_client_programs(settings.text("POSTGRES_BIN_DIR"),
                                                server.version_number / 10000, context.stop));
    ASB_TRY(auto environment, libpq_environment(url, "auth-service-backup"));
    return std::unique_ptr<BackupSession>(std::make_unique<LogicalBackupSession>(
        context, std::move(server), std::move(programs), std::move(environment), why));
}

}  // namespace asb
