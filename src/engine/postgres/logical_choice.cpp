#include "engine/postgres/logical_choice.hpp"

#include "engine/postgres/base_backup.hpp"
#include "engine/postgres/connection.hpp"
#include "engine/postgres/logical_backup.hpp"

namespace asb {

namespace {

// Whether the role is one that may not replicate: only then is another method what was meant. A
// line that is missing in pg_hba.conf, or a server that is full, is for the operator to mend.
bool lacks_replication(const std::string& url, const StopToken& stop) {
    auto connection = Connection::open(url, {}, stop);
    if (!connection.ok()) return false;
    const auto may = connection->query(
        "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user");
    return may.ok() && PQntuples(may.value().get()) == 1 && cell(may.value(), 0, 0) != "t";
}

}  // namespace

Result<std::unique_ptr<BackupSession>> open_postgres_session(const Settings& settings,
                                                             const SessionContext& context) {
    const auto& method = settings.text("POSTGRES_BACKUP_METHOD");
    if (method == "logical") return open_logical_backup(settings, context);
    auto physical = open_base_backup(settings, context);
    if (physical.ok() || method == "physical") return physical;
    const Error& why = physical.error();
    if (why.code != Code::database || why.retryable ||
        !lacks_replication(settings.text("DATABASE_URL"), context.stop))
        return physical;
    auto logical = open_logical_backup(settings, context, {.fact = why.fact, .fix = why.hint});
    if (logical.ok() || logical.error().code == Code::interrupted) return logical;
    return with_hint(
        why, fmt::format("{} (a logical backup instead: {})", why.hint, logical.error().fact));
}

}  // namespace asb
