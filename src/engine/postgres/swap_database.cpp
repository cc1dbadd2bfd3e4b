#include "engine/postgres/swap_database.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/postgres/server_error.hpp"
#include "engine/postgres/swap_properties.hpp"

namespace asb::postgres {
namespace {

// A table that a prepared transaction of the original keeps locked would stop pg_dump for ever.
constexpr const char* kLockWait = "--lock-wait-timeout=60000";  // ms

std::string host_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

// "dbname='...'": a name that holds '=' or looks like a URL stays a name.
std::string dbname_word(const std::string& database) {
    std::string quoted = "dbname='";
    for (const char c : database) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "'";
}

Error program_error(const char* program, const std::string& database, const CommandResult& result) {
    auto lines = split(trim(result.errors), '\n');
    constexpr std::size_t kLinesShown = 6;
    if (lines.size() > kLinesShown) lines.resize(kLinesShown);
    for (auto& line : lines) line = printable(line);
    auto error = fail(Code::database, "{} of database \"{}\" ended with status {}: {}", program,
                      database, result.exit_status, join(lines, " | "));
    if (result.errors.find(kDiskFullText) == std::string::npos) return error;
    error.code = Code::space;
    return with_hint(std::move(error),
                     "free some space, for the restored data beside the old, on the database "
                     "server's disk (or, if pg_dump says it, in TMPDIR)");
}

class DatabaseCopy {
  public:
    DatabaseCopy(PrivateInstance& source, TargetServer& target, const CopyOptions& options,
                 std::vector<std::string>& notes, const SessionContext& context)
        : source_(source), target_(target), options_(options), notes_(notes), context_(context) {}

    Status run() {
        context_.progress.begin_stage(fmt::format("copying database {}", options_.database), 0);
        {
            ASB_TRY(auto connection, source_.connect(options_.database));
            ASB_TRY(properties_, read_properties(connection, options_.database));
            ASB_CHECK(choose_tablespaces(connection));
            ASB_TRY(has_public_,
                    exists(connection, "SELECT FROM pg_namespace WHERE nspname = 'public'"));
        }
        ASB_CHECK(create());
        ASB_CHECK(dump());
        ASB_CHECK(restore());
        ASB_CHECK(remove_tree(options_.dump_folder));
        return analyze();
    }
    // Last: some settings (default_transaction_read_only) would hinder what comes before.
    Status finish() { return write_properties(target_.maintenance(), options_.copy, properties_); }
    [[nodiscard]] const std::optional<std::string>& comment() const { return properties_.comment; }

  private:
    static Result<bool> exists(Connection& connection, const std::string& query) {
        ASB_TRY(const auto rows, connection.query("SELECT EXISTS (" + query + ")"));
        return cell(rows, 0, 0) == "t";
    }

    // Tablespaces are kept when the target has one of each name that this database uses.
    Status choose_tablespaces(Connection& connection) {
        ASB_TRY(const auto rows,
                connection.query(
                    "SELECT spcname FROM pg_tablespace WHERE oid IN (SELECT reltablespace FROM "
                    "pg_class UNION SELECT dattablespace FROM pg_database WHERE datname = "
                    "current_database()) AND spcname NOT IN ('pg_default', 'pg_global')"));
        for (int row = 0; row < PQntuples(rows.get()); ++row) {
            const std::vector<std::string> name{std::string(cell(rows, row, 0))};
            ASB_TRY(const auto found, target_.maintenance().query_params(
                                          "SELECT FROM pg_tablespace WHERE spcname = $1", name));
            if (PQntuples(found.get()) != 0) continue;
            keep_tablespaces_ = false;
            notes_.push_back(
                fmt::format("database \"{}\": there is no tablespace \"{}\" on the "
                            "server, so everything goes to its default one",
                            options_.database, name[0]));
        }
        return {};
    }

    // A role that is no superuser can give a database only to itself and to roles that it is in.
    Status choose_owner(Connection& connection) {
        if (target_.superuser()) return {};
        const std::vector<std::string> owner{properties_.owner};
        ASB_TRY(const auto may, connection.query_params(
                                    "SELECT pg_has_role(current_user, oid, 'MEMBER'), current_user "
                                    "FROM pg_roles WHERE rolname = $1",
                                    owner));
        if (PQntuples(may.get()) == 0 || cell(may, 0, 0) == "t") return {};
        notes_.push_back(
            fmt::format("database \"{}\" belongs to \"{}\", since only a superuser "
                        "could give it to \"{}\"",
                        options_.database, cell(may, 0, 1), properties_.owner));
        properties_.owner = cell(may, 0, 1);
        return {};
    }

    Status create() {
        if (const int error = fail_point("swap.create_database"))
            return errno_error(error, "cannot create database", options_.copy);
        Connection& connection = target_.maintenance();
        ASB_CHECK(choose_owner(connection));
        ASB_CHECK(connection.execute(
            create_statement(connection, options_.copy, properties_, keep_tablespaces_),
            after(kLongStatementTimeout)));
        if (const int error = fail_point("swap.comment"))
            return errno_error(error, "cannot mark database", options_.copy);
        // By this a later run knows whose it is, should this one die.
        ASB_CHECK(connection.execute(
            fmt::format("COMMENT ON DATABASE {} IS {}", connection.quoted_identifier(options_.copy),
                        connection.quoted_literal(fmt::format(
                            "auth-service-backup restore in progress {}, host {}, pid {}",
                            target_.id(), host_name(), getpid())))));
        if (has_public_) return {};
        ASB_TRY(auto inside, target_.connect(options_.copy));
        return inside.execute("DROP SCHEMA public");
    }

    Status dump() {
        Command command{
            .arguments = {source_.programs().path("pg_dump"), "--format=directory", "--compress=0",
                          "--no-sync", kLockWait, fmt::format("--jobs={}", options_.jobs),
                          "--file=" + options_.dump_folder,
                          "--dbname=" + dbname_word(options_.database)},
            .environment = source_.environment(),
            .run_as = std::nullopt,
            .folder = ""};
        if (source_.owner()) command.run_as = source_.owner()->user;
        return run("pg_dump", command);
    }

    Status restore() {
        if (const int error = fail_point("swap.restore"))
            return errno_error(error, "cannot fill database", options_.copy);
        ASB_TRY(auto environment, target_.environment());
        Command command{.arguments = {source_.programs().path("pg_restore"), "--exit-on-error",
                                      fmt::format("--jobs={}", options_.jobs),
                                      "--dbname=" + dbname_word(options_.copy)},
                        .environment = std::move(environment),
                        .run_as = std::nullopt,
                        .folder = ""};
        if (!keep_tablespaces_) command.arguments.emplace_back("--no-tablespaces");
        command.arguments.push_back(options_.dump_folder);
        auto status = run("pg_restore", command);
        if (!status.ok() && !target_.superuser() && status.error().code == Code::database)
            status.error().hint =
                "what belongs to a superuser can be restored only by one: name a "
                "superuser in DATABASE_URL";
        return status;
    }

    Status run(const char* program, const Command& command) {
        ASB_TRY(const auto result,
                run_command(command, "", context_.stop, after(kLongStatementTimeout)));
        if (result.exit_status != 0) return program_error(program, options_.database, result);
        if (const auto said = trim(result.errors); !said.empty())
            context_.log.debug("{}: {}", program, said);
        return {};
    }

    // A database without statistics answers slowly until autovacuum comes round to it.
    Status analyze() {
        ASB_TRY(auto inside, target_.connect(options_.copy));
        auto status = inside.execute("ANALYZE", after(kLongStatementTimeout));
        if (!status.ok() && status.error().code == Code::interrupted) return status;
        if (!status.ok())
            notes_.push_back(fmt::format("warning: no statistics for database \"{}\": {}",
                                         options_.database, status.error().fact));
        return {};
    }

    PrivateInstance& source_;
    TargetServer& target_;
    const CopyOptions& options_;
    std::vector<std::string>& notes_;
    const SessionContext& context_;
    DatabaseProperties properties_;
    bool keep_tablespaces_ = true;
    bool has_public_ = true;
};

}  // namespace

Result<std::vector<std::string>> list_databases(PrivateInstance& source) {
    ASB_TRY(auto connection, source.connect(source.maintenance_database()));
    ASB_TRY(const auto rows, connection.query("SELECT datname FROM pg_database WHERE datallowconn "
                                              "AND NOT datistemplate ORDER BY datname"));
    std::vector<std::string> names;
    const int count = PQntuples(rows.get());
    names.reserve(static_cast<std::size_t>(count));
    for (int row = 0; row < count; ++row) names.emplace_back(cell(rows, row, 0));
    return names;
}

Result<std::optional<std::string>> copy_database(PrivateInstance& source, TargetServer& target,
                                                 const CopyOptions& options,
                                                 std::vector<std::string>& notes,
                                                 const SessionContext& context) {
    DatabaseCopy copy(source, target, options, notes, context);
    ASB_CHECK(copy.run());
    ASB_CHECK(copy.finish());
    return copy.comment();
}

}  // namespace asb::postgres
