#include "engine/postgres/log_slot.hpp"

#include "base/fail_point.hpp"
#include "engine/postgres/replication_slot.hpp"
#include "engine/postgres/wal_stream.hpp"
#include "io/file.hpp"

namespace asb {
namespace {

constexpr std::chrono::seconds kAnswerMax{10};

// The server moves a slot when it hears of a position over a stream of that slot.
Status report_kept(Connection& connection, const std::string& slot, const LogPoint& kept) {
    WalStream stream(connection, slot, {});
    ASB_CHECK(stream.start(kept));
    ASB_CHECK(stream.report(Lsn{kept.at}, Reply::wanted));
    const auto deadline = after(kAnswerMax);
    while (std::chrono::steady_clock::now() < deadline) {
        ASB_TRY(const auto event, stream.next(deadline));
        if (event && (event->keepalive || event->change)) break;
    }
    return stream.finish();
}

}  // namespace

SlotPolicy slot_policy(const Settings& settings) {
    const auto& text = settings.text("POSTGRES_SLOT");
    if (text == "on") return SlotPolicy::always;
    return text == "off" ? SlotPolicy::never : SlotPolicy::automatic;
}

Result<std::string> ensure_log_slot(Connection& connection, SlotPolicy policy,
                                    const std::string& log_id) {
    if (policy == SlotPolicy::never) return std::string();
    const auto name = log_slot_name(log_id);
    ASB_TRY(const auto state, read_slot(connection, name));
    if (state && state->restart) return name;
    if (state) ASB_CHECK(drop_slot(connection, name));
    ASB_CHECK(create_slot(connection, name));
    return name;
}

Status move_log_slot(Connection& connection, const std::string& log_id, const LogPoint& kept) {
    const auto name = log_slot_name(log_id);
    ASB_TRY(const auto state, read_slot(connection, name));
    if (!state || !state->restart || state->restart->value >= kept.at) return {};
    if (const int error = fail_point("postgres.move_slot"))
        return errno_error(error, "cannot move the replication slot", name);
    auto moved = report_kept(connection, name, kept);
    if (!moved.ok() && connection.last_sqlstate() == kObjectInUse) return {};
    return moved;
}

}  // namespace asb
