#include "engine/postgres/restore_entry.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "engine/postgres/data_directory_recovery.hpp"
#include "engine/postgres/data_directory_writer.hpp"
#include "engine/postgres/restore_facts.hpp"
#include "engine/postgres/restore_to_database.hpp"

namespace asb {
namespace {

using namespace postgres;

// A directory restore as decided: places looked at, nothing made.
struct DirectoryPlan {
    BackupIdentity identity;
    TargetPlace place;
    DataDirectoryOptions options;
};

// Of the folders above: the directory itself is replaced, or closed to all but its owner.
std::vector<std::string> owner_notes(const std::string& user, const std::optional<Owner>& owner,
                                     const std::string& directory) {
    if (geteuid() == 0 && !owner)
        return {
            fmt::format("warning: there is no user '{}' here, so the files belong to root; "
                        "chown them to the server's user before the first start",
                        user)};
    const auto closed =
        closed_folder(owner, std::filesystem::path(directory).parent_path().string());
    if (closed.empty()) return {};
    return {fmt::format("warning: user {} may not enter {}; before the first start: chmod o+x {}",
                        owner->user, closed, shell_quote(closed))};
}

Status check_physical(const BackupIdentity& identity) {
    if (!identity.logical) return {};
    return with_hint(fail(Code::usage,
                          "a logical backup holds dumps, not a data directory, so "
                          "--target-dir cannot be used"),
                     "restore into the server of DATABASE_URL without --target-dir, or unpack it "
                     "and use pg_restore (RESTORE.txt)");
}

Result<DirectoryPlan> decide_directory(const Settings& settings, const RestoreRequest& request,
                                       const Json& facts) {
    DirectoryPlan plan;
    if (!request.only.empty())
        return with_hint(fail(Code::usage,
                              "--only does not go with --target-dir: a data directory "
                              "is whole or none"),
                         "restore the parts into the server of DATABASE_URL");
    // Empty facts: the manifest is lost, and only the data itself says which version it is of.
    if (!facts.empty()) {
        ASB_TRY(plan.identity, read_identity(facts));
        ASB_CHECK(check_physical(plan.identity));
    }
    ASB_TRY(plan.place, look_at(request.target_dir));
    ASB_CHECK(check_place(plan.place, request.force));
    const auto& user = settings.text("POSTGRES_RUN_AS");
    auto& options = plan.options;
    options.target = plan.place.path;
    options.owner = find_owner(user);
    options.jobs = request.jobs;
    options.force = request.force;
    options.drop_old = request.drop_old;
    options.recovery = request.recovery;
    options.major = plan.identity.major;
    options.notes = owner_notes(user, options.owner, plan.place.path);
    ASB_TRY(options.tablespaces, place_tablespaces(request, plan.place.path, facts));
    for (const auto& tablespace : options.tablespaces) {
        ASB_TRY(const auto there, look_at(tablespace.new_path));
        if (!there.empty)  // --force moves only the data directory aside
            return with_hint(
                fail(Code::refused, "{} is not empty, and tablespace {} would go there", there.path,
                     tablespace.oid),
                fmt::format("move it away, or name an empty folder: --tablespace {}=NEWPATH",
                            tablespace.oid));
    }
    ASB_CHECK(check_space(plan.place.path, request.data_bytes,
                          "free some space there, or name a folder on another disk"));
    return plan;
}

RestorePlan describe(const DirectoryPlan& decided, std::uint64_t bytes) {
    const auto& options = decided.options;
    RestorePlan plan;
    plan.steps.push_back(fmt::format("write the data directory ({}) beside {}{}",
                                     human_bytes(bytes), options.target,
                                     options.owner ? ", owned by " + options.owner->user : ""));
    for (const auto& place : options.tablespaces)
        plan.steps.push_back(fmt::format("write tablespace {} to {}, not to {}", place.oid,
                                         place.new_path, place.old_path));
    plan.steps.emplace_back(
        "check every file against the server's own manifest, force all to disk");
    if (options.recovery) plan.steps.push_back(describe_recovery(*options.recovery));
    plan.steps.push_back(
        fmt::format("put global/pg_control last and rename into place as {}", options.target));
    if (!decided.place.empty)
        plan.replaces.push_back(fmt::format("the folder {} ({})", options.target,
                                            options.drop_old
                                                ? "removed afterwards"
                                                : "kept as " + options.target + ".before-<time>"));
    for (const auto& note : options.notes) plan.steps.push_back(note);
    return plan;
}

// A database restore as decided.
struct DatabasePlan {
    BackupIdentity identity;
    DatabaseRestoreOptions options;
};

// The unpacked data directory, and beside it a dump that is at most as large; or the dumps alone.
std::uint64_t staging_bytes(const RestoreRequest& request, const BackupIdentity& identity) {
    return (identity.logical ? 1 : 2) * request.data_bytes;
}

// Which programs on this machine open the backup.
Status choose_programs(const Settings& settings, const BackupIdentity& identity,
                       DatabaseRestoreOptions& options) {
    const auto& bin_dir = settings.text("POSTGRES_BIN_DIR");
    options.logical = identity.logical;
    options.major = identity.major;
    if (identity.logical) {
        ASB_TRY(options.client, find_client_programs(bin_dir, identity.dump_major, StopToken()));
        return {};
    }
    ASB_TRY(options.programs, find_server_programs(bin_dir, identity.major, StopToken()));
    const auto& user = settings.text("POSTGRES_RUN_AS");
    options.owner = find_owner(user);
    if (geteuid() == 0 && !options.owner)
        return with_hint(fail(Code::database,
                              "the private server may not run as root, and there "
                              "is no user '{}'",
                              user),
                         "set POSTGRES_RUN_AS to the server's user, or restore with --target-dir");
    return {};
}

Result<DatabasePlan> decide_database(const Settings& settings, const RestoreRequest& request,
                                     const Json& facts) {
    DatabasePlan plan;
    ASB_TRY(plan.identity, read_identity(facts));
    auto& options = plan.options;
    options.url = settings.text("DATABASE_URL");
    if (options.url.empty())
        return with_hint(fail(Code::usage, "there is no database to restore into"),
                         "set DATABASE_URL, or name a folder with --target-dir");
    ASB_CHECK(choose_programs(settings, plan.identity, options));
    options.all_databases = request.all_databases;
    ASB_TRY(options.only, parse_only(request.only));
    options.force = request.force;
    options.drop_old = request.drop_old;
    options.jobs = request.jobs;
    options.staging_base = staging_base(request.staging_dir);
    options.facts = facts;
    options.recovery = request.recovery;
    ASB_CHECK(check_space(options.staging_base, staging_bytes(request, plan.identity),
                          "free some space there, or name another place with TMPDIR"));
    return plan;
}

bool has_glob(const std::string& text) {
    return text.find_first_of("*?") != std::string::npos;
}

// What a word of --only names without globs; globs are resolved when the backup is open.
Pieces literal_pieces(const OnlyWords& only, const std::string& database) {
    Pieces pieces;
    for (const auto& word : only.words) {
        if (word.database != database || has_glob(word.schema) || has_glob(word.table)) continue;
        if (word.table.empty())
            pieces.schemas.insert(word.schema);
        else
            pieces.relations.insert({word.schema, word.table});
    }
    return pieces;
}

Status ask_for_pieces(TargetServer& server, const DatabaseRestoreOptions& options,
                      const std::string& database, RestorePlan& plan) {
    ASB_TRY(auto connection, server.connect(database));
    ASB_TRY(const auto found, look_in_the_way(connection, literal_pieces(options.only, database)));
    ASB_CHECK(check_in_the_way(
        found, {.database = database, .force = options.force, .drop_old = options.drop_old}));
    if (!found.empty())
        plan.replaces.push_back(
            fmt::format("{} in database \"{}\" ({})", found.names(), database,
                        options.drop_old ? "dropped afterwards" : "kept in a schema of its own"));
    for (const auto& dependent : found.dependents)
        plan.replaces.push_back("nothing of " + dependent + ", which goes on using the old");
    return {};
}

// With globs the names are known only from the opened backup, so there only what can be told now.
Status ask_for_named(TargetServer& server, const DatabaseRestoreOptions& options,
                     RestorePlan& plan) {
    std::set<std::string> databases;
    for (const auto& word : options.only.words)
        if (!has_glob(word.database)) databases.insert(word.database);
    for (const auto& database : databases) {
        ASB_TRY(const auto occupancy, server.occupancy(database));
        if (options.only.pieces) {
            if (occupancy != Occupancy::missing)
                ASB_CHECK(ask_for_pieces(server, options, database, plan));
            continue;
        }
        ASB_CHECK(check_occupancy(database, occupancy, options.force));
        if (occupancy == Occupancy::filled)
            plan.replaces.push_back(fmt::format(
                "database \"{}\" at {} ({})", database, server.address(),
                options.drop_old ? "dropped afterwards" : "kept as " + database + "__before_<id>"));
    }
    return {};
}

// The part of the checks that asks the server; with --all-databases the names are known only from
// the opened backup, so there only what can be told now.
Result<RestorePlan> ask_server(const DatabasePlan& decided, const StopToken& stop) {
    const auto& options = decided.options;
    const bool by_name = options.all_databases || !options.only.empty();
    ASB_TRY(auto server, TargetServer::open(options.url, by_name, decided.identity.major,
                                            new_restore_id(), stop));
    RestorePlan plan;
    ASB_TRY(const auto leftovers, server.leftovers());
    for (const auto& name : leftovers)
        plan.replaces.push_back(
            fmt::format("database \"{}\", left by a restore that died (dropped)", name));
    if (!options.only.empty()) {
        ASB_CHECK(ask_for_named(server, options, plan));
        return plan;
    }
    if (options.all_databases) {
        plan.replaces.push_back(
            fmt::format("each database at {} that the backup holds too ({})", server.address(),
                        options.drop_old ? "dropped afterwards" : "kept as <name>__before_<id>"));
        return plan;
    }
    const auto& name = server.url_database();
    ASB_TRY(const auto occupancy, server.occupancy(name));
    ASB_CHECK(check_occupancy(name, occupancy, options.force));
    if (occupancy == Occupancy::filled)
        plan.replaces.push_back(fmt::format(
            "database \"{}\" at {} ({})", name, server.address(),
            options.drop_old ? "dropped afterwards" : "kept as " + name + "__before_<id>"));
    return plan;
}

void describe(const DatabasePlan& decided, std::uint64_t bytes, RestorePlan& plan) {
    const auto& options = decided.options;
    if (options.logical)
        plan.steps = {fmt::format("collect the dumps ({}) below {}", human_bytes(bytes),
                                  options.staging_base),
                      fmt::format("read them with pg_restore {} ({})", options.client.version,
                                  options.client.folder)};
    else
        plan.steps = {
            fmt::format("unpack the backup ({}) below {} and check every file", human_bytes(bytes),
                        options.staging_base),
            fmt::format("open it with a private PostgreSQL {} server ({}{}), recovered to {}",
                        decided.identity.major, options.programs.folder,
                        options.owner ? ", as user " + options.owner->user : "",
                        options.recovery                   ? options.recovery->target
                        : decided.identity.end_lsn.empty() ? "its end"
                                                           : decided.identity.end_lsn)};
    if (!options.only.empty() && !options.logical)
        plan.steps.emplace_back(
            "parts of a physical backup come out of that server, so all of it has to be read");
    plan.steps.emplace_back(
        "create the roles that the server lacks; leave those that it has as they are");
    if (options.only.pieces) {
        plan.steps.emplace_back(
            "put aside what is there under the same names, bring in what is stored and compare "
            "every row count, in one transaction");
        return;
    }
    plan.steps.push_back(
        fmt::format("copy {} beside what is there, with {} jobs, and compare every relation, "
                    "sequence and row count",
                    !options.only.empty()   ? "each database named"
                    : options.all_databases ? "each database of the backup"
                                            : "the database",
                    options.jobs));
    plan.steps.emplace_back(
        "rename into place in one transaction, ending the sessions on what is replaced");
}

}  // namespace

Result<RestorePlan> plan_postgres_restore(const Settings& settings, const RestoreRequest& request,
                                          const Json& facts) {
    if (!request.target_dir.empty()) {
        ASB_TRY(const auto decided, decide_directory(settings, request, facts));
        return describe(decided, request.data_bytes);
    }
    ASB_TRY(const auto decided, decide_database(settings, request, facts));
    ASB_TRY(auto plan, ask_server(decided, StopToken()));
    describe(decided, request.data_bytes, plan);
    return plan;
}

Result<std::unique_ptr<RestoreSession>> open_postgres_restore(const Settings& settings,
                                                              const RestoreRequest& request,
                                                              const Json& facts,
                                                              SessionContext context) {
    if (!request.target_dir.empty()) {
        ASB_TRY(auto decided, decide_directory(settings, request, facts));
        ASB_TRY(auto writer,
                DataDirectoryWriter::open(std::move(decided.options), std::move(context)));
        return std::unique_ptr<RestoreSession>(std::move(writer));
    }
    ASB_TRY(auto decided, decide_database(settings, request, facts));
    ASB_TRY([[maybe_unused]] const auto plan, ask_server(decided, context.stop));
    ASB_TRY(auto session,
            DatabaseRestoreSession::open(std::move(decided.options), std::move(context)));
    return std::unique_ptr<RestoreSession>(std::move(session));
}

}  // namespace asb
