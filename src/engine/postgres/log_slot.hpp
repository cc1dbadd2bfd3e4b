#pragma once
// Why this exists: full backups, incremental ones and streams share one slot a log; when it is made
// and how far it is moved on must be the same rule for all of them.

#include "base/settings.hpp"
#include "engine/engine.hpp"
#include "engine/postgres/connection.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {

// POSTGRES_SLOT. automatic: made by the first incremental backup or stream, used by all.
enum class SlotPolicy { automatic, always, never };
SlotPolicy slot_policy(const Settings& settings);

// The slot of this log, there or made now; its name, or empty where the policy says never. One that
// the server has given up is dropped and made anew.
Result<std::string> ensure_log_slot(Connection& connection, SlotPolicy policy,
                                    const std::string& log_id);

// Says to the server that everything before `kept` is durable in the repository, so that it may
// remove it. Makes no slot: success when there is none, or when a stream uses it just now.
Status move_log_slot(Connection& connection, const std::string& log_id, const LogPoint& kept);

}  // namespace asb
