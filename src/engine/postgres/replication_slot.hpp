#pragma once
// Why this exists: between two backups the server must keep its WAL for us. A slot makes it do so,
// and fills the server's disk when nobody comes any more; so it is made, looked at and dropped in
// one place.

#include <optional>
#include <string>

#include "engine/postgres/connection.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {

// The SQLSTATE of a slot that another session reads (PostgreSQL 15 manual, appendix A).
inline constexpr std::string_view kObjectInUse = "55006";

// "auth_service_backup_<log id>"; `log_id` is of a-z, 0-9 and '_'.
[[nodiscard]] std::string log_slot_name(std::string_view log_id);

// What READ_REPLICATION_SLOT says.
struct SlotState {
    std::optional<Lsn> restart;  // the WAL from here on is kept; absent: it was lost
};

// All on a replication connection. nullopt: there is no slot of that name.
Result<std::optional<SlotState>> read_slot(Connection& connection, const std::string& name);
// Makes the slot, which keeps WAL from the last checkpoint on. `database` with the fix as hint.
Status create_slot(Connection& connection, const std::string& name);
// Harmless when it is not there; `busy` while somebody streams from it.
Status drop_slot(Connection& connection, const std::string& name);

}  // namespace asb
