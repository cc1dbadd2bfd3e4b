#include "engine/postgres/replication_slot.hpp"

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "io/file.hpp"

namespace asb {
namespace {

constexpr std::string_view kUndefinedObject = "42704";

}  // namespace

std::string log_slot_name(std::string_view log_id) {
    return fmt::format("auth_service_backup_{}", log_id);
}

Result<std::optional<SlotState>> read_slot(Connection& connection, const std::string& name) {
    ASB_TRY(const PgResult row, connection.query(fmt::format("READ_REPLICATION_SLOT {}", name)));
    if (PQntuples(row.get()) != 1 || PQnfields(row.get()) < 2)
        return fail(Code::database,
                    "the server's answer to READ_REPLICATION_SLOT is not as "
                    "documented");
    if (is_null(row, 0, 0)) return std::optional<SlotState>();
    if (cell(row, 0, 0) != "physical")
        return with_hint(
            fail(Code::database, "the replication slot {} is not a physical one", name),
            fmt::format("somebody else made it; drop it: SELECT "
                        "pg_drop_replication_slot('{}');",
                        name));
    SlotState state;
    if (is_null(row, 0, 1)) return std::optional(state);
    ASB_TRY(state.restart, parse_lsn(cell(row, 0, 1)));
    return std::optional(state);
}

Status create_slot(Connection& connection, const std::string& name) {
    if (const int error = fail_point("postgres.create_slot"))
        return errno_error(error, "cannot make the replication slot", name);
    return connection.execute(
        fmt::format("CREATE_REPLICATION_SLOT {} PHYSICAL (RESERVE_WAL)", name));
}

Status drop_slot(Connection& connection, const std::string& name) {
    if (const int error = fail_point("postgres.drop_slot"))
        return errno_error(error, "cannot drop the replication slot", name);
    auto dropped = connection.execute(fmt::format("DROP_REPLICATION_SLOT {}", name));
    if (dropped.ok() || connection.last_sqlstate() == kUndefinedObject) return {};
    if (connection.last_sqlstate() != kObjectInUse) return dropped;
    return with_hint(fail(Code::busy, "the slot {} is in use", name),
                     "stop the stream first, then run it again");
}

}  // namespace asb
