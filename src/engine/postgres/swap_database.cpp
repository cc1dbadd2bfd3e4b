#include "engine/postgres/swap_database.hpp"

#include <unistd.h>

#include "base/fail_point.hpp"
#include "base/host.hpp"
#include "base/text.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/swap_properties.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

class DatabaseCopy {
  public:
    DatabaseCopy(CopySource& source, TargetServer& target, const CopyOptions& options,
                 std::vector<std::string>& notes, const SessionContext& context)
        : source_(source), target_(target), options_(options), notes_(notes), context_(context) {}

    Status run() {
        context_.progress.begin_stage(fmt::format("copying database {}", options_.database), 0);
        ASB_TRY(auto description, source_.describe(options_.database));
        properties_ = std::move(description.properties);
        ASB_CHECK(choose_tablespaces(description.tablespaces));
        ASB_CHECK(create(description.has_public));
        ASB_TRY(const auto dump, source_.dump(options_.database, options_.jobs));
        ASB_CHECK(restore(dump));
        return analyze();
    }
    // Last: some settings (default_transaction_read_only) would hinder what comes before.
    Status finish() { return write_properties(target_.maintenance(), options_.copy, properties_); }
    [[nodiscard]] const std::optional<std::string>& comment() const { return properties_.comment; }

  private:
    // Tablespaces are kept when the target has one of each name that this database uses.
    Status choose_tablespaces(const std::vector<std::string>& tablespaces) {
        for (const auto& tablespace : tablespaces) {
            const std::vector<std::string> name{tablespace};
            ASB_TRY(const auto found, target_.maintenance().query_params(
                                          "SELECT FROM pg_tablespace WHERE spcname = $1", name));
            if (PQntuples(found.get()) != 0) continue;
            keep_tablespaces_ = false;
            notes_.push_back(
                fmt::format("database \"{}\": there is no tablespace \"{}\" on the "
                            "server, so everything goes to its default one",
                            options_.database, tablespace));
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

    Status create(bool has_public) {
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
        if (has_public) return {};
        ASB_TRY(auto inside, target_.connect(options_.copy));
        return inside.execute("DROP SCHEMA public");
    }

    Status restore(const StoredDump& dump) {
        if (const int error = fail_point("swap.restore"))
            return errno_error(error, "cannot fill database", options_.copy);
        ASB_TRY(auto environment, target_.environment());
        Command command{.arguments = {dump.pg_restore, "--exit-on-error",
                                      fmt::format("--jobs={}", options_.jobs),
                                      "--dbname=" + dbname_word(options_.copy)},
                        .environment = std::move(environment),
                        .run_as = std::nullopt,
                        .folder = ""};
        if (!keep_tablespaces_) command.arguments.emplace_back("--no-tablespaces");
        if (!options_.use_list.empty())
            command.arguments.push_back("--use-list=" + options_.use_list);
        command.arguments.push_back(dump.path);
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
        if (result.exit_status != 0)
            return program_error(program, options_.database, result.exit_status, result.errors);
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

    CopySource& source_;
    TargetServer& target_;
    const CopyOptions& options_;
    std::vector<std::string>& notes_;
    const SessionContext& context_;
    DatabaseProperties properties_;
    bool keep_tablespaces_ = true;
};

}  // namespace

Result<std::optional<std::string>> copy_database(CopySource& source, TargetServer& target,
                                                 const CopyOptions& options,
                                                 std::vector<std::string>& notes,
                                                 const SessionContext& context) {
    DatabaseCopy copy(source, target, options, notes, context);
    ASB_CHECK(copy.run());
    ASB_CHECK(copy.finish());
    return copy.comment();
}

}  // namespace asb::postgres
