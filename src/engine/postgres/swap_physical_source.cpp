#include "engine/postgres/swap_physical_source.hpp"

#include <filesystem>

#include "base/text.hpp"
#include "engine/postgres/logical_names.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/swap_target.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

// A table that a prepared transaction of the original keeps locked would stop pg_dump for ever.
constexpr const char* kLockWait = "--lock-wait-timeout=60000";  // ms

}  // namespace

Result<std::unique_ptr<PhysicalSource>> PhysicalSource::make(Options options, StagingArea& area,
                                                             const SessionContext& context) {
    std::unique_ptr<PhysicalSource> source(new PhysicalSource(std::move(options), area, context));
    const auto data = area.below("data");
    // Where tablespaces are told to go matters for a data directory; here they stay in the area.
    ASB_TRY(auto tablespaces, place_tablespaces(RestoreRequest{}, data, source->options_.facts));
    ASB_TRY(source->writer_, DataDirectoryWriter::open({.target = data,
                                                        .tablespaces = std::move(tablespaces),
                                                        .owner = source->options_.owner,
                                                        .jobs = source->options_.jobs,
                                                        .force = false,
                                                        .drop_old = false,
                                                        .durable = false,
                                                        .recovery = source->options_.recovery,
                                                        .major = source->options_.programs.major,
                                                        .notes = {}},
                                                       context));
    return source;
}

Status PhysicalSource::open() {
    ASB_CHECK(writer_->publish());
    ASB_TRY(instance_, PrivateInstance::start({.programs = options_.programs,
                                               .data_directory = writer_->directory(),
                                               .owner = options_.owner,
                                               .jobs = options_.jobs,
                                               .recovery = options_.recovery,
                                               .wal_way = writer_->wal_way()},
                                              area_, context_));
    return {};
}

Result<std::vector<std::string>> PhysicalSource::databases() {
    ASB_TRY(auto connection, instance_->connect(instance_->maintenance_database()));
    ASB_TRY(const auto rows, connection.query("SELECT datname FROM pg_database WHERE datallowconn "
                                              "AND NOT datistemplate ORDER BY datname"));
    std::vector<std::string> names;
    const int count = PQntuples(rows.get());
    names.reserve(static_cast<std::size_t>(count));
    for (int row = 0; row < count; ++row) names.emplace_back(cell(rows, row, 0));
    return names;
}

Result<RoleList> PhysicalSource::roles() {
    ASB_TRY(auto connection, instance_->connect(instance_->maintenance_database()));
    ASB_TRY(auto list, read_roles(connection, true));
    std::erase_if(list.roles, [&](const auto& role) { return role.name == instance_->own_role(); });
    return list;
}

Result<DatabaseDescription> PhysicalSource::describe(const std::string& database) {
    ASB_TRY(auto connection, instance_->connect(database));
    return describe_database(connection, database);
}

std::string PhysicalSource::dump_folder(const std::string& database) const {
    return area_.path() + "/dump-" + escape_database(database);
}

Result<StoredDump> PhysicalSource::dump(const std::string& database, unsigned jobs) {
    StoredDump stored{.path = dump_folder(database),
                      .pg_restore = options_.programs.path("pg_restore"),
                      .psql = options_.programs.path("psql")};
    std::error_code error;
    if (std::filesystem::exists(stored.path + "/toc.dat", error)) return stored;
    Command command{
        .arguments = {options_.programs.path("pg_dump"), "--format=directory", "--compress=0",
                      "--no-sync", kLockWait, fmt::format("--jobs={}", jobs),
                      "--file=" + stored.path, "--dbname=" + dbname_word(database)},
        .environment = instance_->environment(),
        .run_as = std::nullopt,
        .folder = ""};
    if (options_.owner) command.run_as = options_.owner->user;
    ASB_TRY(const auto result,
            run_command(command, "", context_.stop, after(kLongStatementTimeout)));
    if (result.exit_status != 0)
        return program_error("pg_dump", database, result.exit_status, result.errors);
    if (const auto said = trim(result.errors); !said.empty())
        context_.log.debug("pg_dump: {}", said);
    return stored;
}

Status PhysicalSource::discard(const std::string& database) {
    return remove_tree(dump_folder(database));
}

Result<Compared> PhysicalSource::compare(const std::string& database, Connection& copy) {
    ASB_TRY(auto source, instance_->connect(database));
    return compare_databases(source, copy);
}

}  // namespace asb::postgres
