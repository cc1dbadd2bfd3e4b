#include "engine/postgres/logical_choice.hpp"

#include "engine/postgres/base_backup.hpp"
#include "engine/postgres/logical_backup.hpp"

namespace asb {

bool cannot_replicate(const Error& error) {
    if (error.code != Code::database || error.retryable) return false;
    const bool role = error.hint.starts_with("ALTER ROLE ") && error.hint.ends_with("REPLICATION;");
    const bool way_in = error.fact.find("pg_hba.conf") != std::string::npos &&
                        error.fact.find(" for replication") != std::string::npos;
    return role || way_in;
}

Result<std::unique_ptr<BackupSession>> open_postgres_session(const Settings& settings,
                                                             const SessionContext& context) {
    const auto& method = settings.text("POSTGRES_BACKUP_METHOD");
    if (method == "logical") return open_logical_backup(settings, context);
    auto physical = open_base_backup(settings, context);
    if (physical.ok() || method == "physical" || !cannot_replicate(physical.error()))
        return physical;
    const Error& why = physical.error();
    auto logical = open_logical_backup(settings, context, {.fact = why.fact, .fix = why.hint});
    if (logical.ok() || logical.error().code == Code::interrupted) return logical;
    return with_hint(
        why, fmt::format("{} (a logical backup instead: {})", why.hint, logical.error().fact));
}

}  // namespace asb
