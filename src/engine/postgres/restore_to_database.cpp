#include "engine/postgres/restore_to_database.hpp"

#include <algorithm>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/postgres/logical_rows.hpp"
#include "engine/postgres/logical_source.hpp"
#include "engine/postgres/swap_database.hpp"
#include "engine/postgres/swap_physical_source.hpp"
#include "io/file.hpp"

namespace asb::postgres {

Result<std::unique_ptr<DatabaseRestoreSession>> DatabaseRestoreSession::open(
    DatabaseRestoreOptions options, SessionContext context) {
    std::unique_ptr<DatabaseRestoreSession> session(
        new DatabaseRestoreSession(std::move(options), std::move(context)));
    ASB_CHECK(session->prepare());
    return session;
}

Status DatabaseRestoreSession::prepare() {
    ASB_TRY(area_, StagingArea::make(options_.staging_base, options_.owner));
    if (options_.logical) {
        ASB_TRY(auto wanted, wanted_databases(options_.url, options_.all_databases, options_.only));
        ASB_TRY(source_,
                LogicalSource::make({.programs = options_.client, .wanted = std::move(wanted)},
                                    *area_, context_));
        return {};
    }
    ASB_TRY(source_, PhysicalSource::make({.programs = options_.programs,
                                           .owner = options_.owner,
                                           .jobs = options_.jobs,
                                           .facts = options_.facts,
                                           .recovery = options_.recovery},
                                          *area_, context_));
    return {};
}

DatabaseRestoreSession::~DatabaseRestoreSession() {
    if (target_ && !published_) clean_target();
}

void DatabaseRestoreSession::clean_target() {
    // With a stop token that nobody has pulled: cleaning up belongs to stopping cleanly.
    auto connection = target_->connect_maintenance(StopToken());
    if (!connection.ok()) {
        context_.log.warning("what the restore made on the server is left there: {}",
                             connection.error().fact);
        return;
    }
    // A CREATE DATABASE that was under way when the run was stopped goes on without its client, and
    // DROP does not see what is not committed yet.
    if (const auto ended = end_other_sessions(*connection, target_->id()); !ended.ok())
        context_.log.warning("cannot end the restore's own sessions: {}", ended.error().fact);
    for (const auto& exchange : exchanges_) {
        const auto dropped =
            connection->execute(fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)",
                                            connection->quoted_identifier(exchange.copy)),
                                after(kLongStatementTimeout));
        if (!dropped.ok())
            context_.log.warning("database {} is left on the server: {}", exchange.copy,
                                 dropped.error().fact);
    }
    return_memberships(*connection, roles_);
    drop_created_roles(*connection, roles_);
}

Status DatabaseRestoreSession::publish() {
    ASB_CHECK(source_->open());
    ASB_CHECK(open_server());
    ASB_TRY(const auto databases, choose_databases());
    if (options_.only.pieces) return restore_pieces(databases.front());
    for (const auto& database : databases) ASB_CHECK(plan_exchange(database));
    ASB_CHECK(drop_leftovers());
    ASB_CHECK(copy_the_roles());
    for (auto& exchange : exchanges_) ASB_CHECK(copy_and_check(exchange));
    return exchange();
}

Status DatabaseRestoreSession::copy_the_roles() {
    if (const int error = fail_point("swap.roles"))
        return errno_error(error, "cannot copy the roles to", target_->address());
    ASB_TRY(const auto roles, source_->roles());
    ASB_TRY(roles_, copy_roles(roles, *target_));
    return {};
}

// Into the database that is there, in one transaction; or into a new one that gets these alone.
Status DatabaseRestoreSession::restore_pieces(const std::string& database) {
    ASB_TRY(const auto occupancy, target_->occupancy(database));
    ASB_TRY(const auto dump, source_->dump(database, options_.jobs));
    ASB_TRY(auto list, list_pieces(dump, options_.only));
    if (occupancy == Occupancy::missing) {
        use_list_ = area_->below("use-list");
        auto schemas = list.pieces.needed_schemas();
        schemas.erase("public");
        ASB_CHECK(write_use_list(list, schemas, Grants::with, use_list_));
        ASB_CHECK(plan_exchange(database));
        ASB_CHECK(drop_leftovers());
        ASB_CHECK(copy_the_roles());
        ASB_CHECK(copy_and_check(exchanges_.front()));
        return exchange();
    }
    PieceRestore pieces(
        std::move(list), *target_, *area_,
        {.database = database, .force = options_.force, .drop_old = options_.drop_old}, context_);
    ASB_CHECK(pieces.prepare());
    ASB_CHECK(drop_leftovers());
    ASB_CHECK(copy_the_roles());
    ASB_TRY(const bool keep_tablespaces, has_tablespaces_of(database));
    ASB_CHECK(pieces.run(keep_tablespaces));
    published_ = true;
    return_memberships(target_->maintenance(), roles_);
    report_.insert(report_.end(), pieces.report().begin(), pieces.report().end());
    incomplete_ = pieces.incomplete();
    describe_roles();
    return {};
}

Result<bool> DatabaseRestoreSession::has_tablespaces_of(const std::string& database) {
    ASB_TRY(const auto description, source_->describe(database));
    for (const auto& tablespace : description.tablespaces) {
        const std::vector<std::string> name{tablespace};
        ASB_TRY(const auto found, target_->maintenance().query_params(
                                      "SELECT FROM pg_tablespace WHERE spcname = $1", name));
        if (PQntuples(found.get()) == 0) return false;
    }
    return true;
}

Status DatabaseRestoreSession::open_server() {
    // Only now: a session opened before the archive was read might have been cut off meanwhile.
    ASB_TRY(auto server,
            TargetServer::open(options_.url, options_.all_databases || !options_.only.empty(),
                               options_.major, new_restore_id(), context_.stop));
    target_.emplace(std::move(server));
    return {};
}

Result<std::vector<std::string>> DatabaseRestoreSession::choose_databases() {
    ASB_TRY(auto all, source_->databases());
    if (!options_.only.empty()) return choose_named(options_.only, all);
    if (options_.all_databases) return all;
    const auto& wanted = target_->url_database();
    if (std::find(all.begin(), all.end(), wanted) != all.end())
        return std::vector<std::string>{wanted};
    return with_hint(fail(Code::not_found, "the backup holds no database \"{}\"", wanted),
                     fmt::format("it holds: {}; name one of them in DATABASE_URL, or add "
                                 "--all-databases",
                                 join(all, ", ")));
}

Status DatabaseRestoreSession::plan_exchange(const std::string& database) {
    ASB_TRY(const auto occupancy, target_->occupancy(database));
    ASB_CHECK(check_occupancy(database, occupancy, options_.force));
    exchanges_.push_back({.database = database,
                          .copy = restore_name(database, target_->id()),
                          .aside = before_name(database, target_->id()),
                          .occupancy = occupancy,
                          .comment = {}});
    return {};
}

Status DatabaseRestoreSession::drop_leftovers() {
    ASB_TRY(const auto names, target_->leftovers());
    for (const auto& name : names) drop(name, "the half-made database of a restore that died");
    return {};
}

Status DatabaseRestoreSession::copy_and_check(Exchange& exchange) {
    ASB_TRY(exchange.comment, copy_database(*source_, *target_,
                                            {.database = exchange.database,
                                             .copy = exchange.copy,
                                             .jobs = options_.jobs,
                                             .use_list = use_list_},
                                            report_, context_));
    context_.progress.begin_stage(fmt::format("checking database {}", exchange.database), 0);
    if (const int error = fail_point("swap.check"))
        return errno_error(error, "cannot check database", exchange.copy);
    ASB_TRY(const auto seen, check_copy(exchange));
    ASB_CHECK(source_->discard(exchange.database));
    report_.push_back(
        fmt::format("database \"{}\" at {} holds the backup: {} relations, {} rows, "
                    "{} sequences, {} large objects, all compared",
                    exchange.database, target_->address(), seen.relations, seen.rows,
                    seen.sequences, seen.large_objects));
    return {};
}

Result<Compared> DatabaseRestoreSession::check_copy(const Exchange& exchange) {
    ASB_TRY(auto copy, target_->connect(exchange.copy));
    if (use_list_.empty()) return source_->compare(exchange.database, copy);
    ASB_TRY(const auto dump, source_->dump(exchange.database, options_.jobs));
    ASB_TRY(const auto counted, count_dump(dump, exchange.database, context_.stop, use_list_));
    return compare_with_dump(counted, copy);
}

Status DatabaseRestoreSession::exchange() {
    context_.progress.begin_stage("putting the restored databases in place", 0);
    auto status = exchange_databases(*target_, exchanges_, context_.stop);
    if (!status.ok()) return status;
    published_ = true;
    for (const auto& done : exchanges_) settle_old(done);
    return_memberships(target_->maintenance(), roles_);
    describe_roles();
    return {};
}

void DatabaseRestoreSession::settle_old(const Exchange& exchange) {
    if (exchange.occupancy == Occupancy::missing) return;
    if (exchange.occupancy == Occupancy::empty) {
        // Asked again: somebody may have filled it while the restore ran.
        const auto still = target_->occupancy(exchange.aside);
        if (still.ok() && still.value() == Occupancy::empty)
            return drop(exchange.aside, "the empty database that was there");
    }
    if (options_.drop_old) return drop(exchange.aside, "the old database");
    report_.push_back(
        fmt::format("the old database \"{0}\" is kept as \"{1}\"; when you no longer need it: "
                    "DROP DATABASE {2};",
                    exchange.database, exchange.aside,
                    target_->maintenance().quoted_identifier(exchange.aside)));
}

void DatabaseRestoreSession::drop(const std::string& database, const std::string& what) {
    Status status;
    if (const int error = fail_point("swap.drop_old")) {
        status = errno_error(error, "cannot drop", database);
    } else {
        status = target_->maintenance().execute(
            fmt::format("DROP DATABASE {} WITH (FORCE)",
                        target_->maintenance().quoted_identifier(database)),
            after(kLongStatementTimeout));
    }
    report_.push_back(status.ok() ? fmt::format("dropped {} (\"{}\")", what, database)
                                  : fmt::format("warning: {} (\"{}\") could not be dropped: {}",
                                                what, database, status.error().fact));
}

void DatabaseRestoreSession::describe_roles() {
    if (!roles_.created.empty())
        report_.push_back(fmt::format("roles created: {}", join(roles_.created, ", ")));
    if (!roles_.kept.empty())
        report_.push_back(fmt::format("roles that were there and are left as they are: {}",
                                      join(roles_.kept, ", ")));
    for (auto& note : roles_.notes) report_.push_back(std::move(note));
}

}  // namespace asb::postgres
