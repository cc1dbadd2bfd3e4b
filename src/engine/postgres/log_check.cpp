#include "engine/postgres/log_check.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/check_lines.hpp"
#include "engine/postgres/replication_slot.hpp"
#include "engine/postgres/wal_stream.hpp"

namespace asb {
namespace {

using Verdict = CheckLine::Verdict;

constexpr const char* kLimitFix =
    "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf(); (less than what is "
    "free on the server's disk)";

// As pg_replication_slots has it.
struct SlotRow {
    std::string name;
    bool active = false;
    std::string status;  // reserved, extended, unreserved, lost
    std::uint64_t kept_bytes = 0;
};

class LogCheck {
  public:
    LogCheck(Connection sql, Connection replication, const std::vector<LogTail>& tails)
        : sql_(std::move(sql)), replication_(std::move(replication)), tails_(tails) {}

    Result<std::vector<CheckLine>> run() {
        ASB_TRY(const auto server, identify_server(replication_));
        ASB_TRY(const auto slots, read_slots());
        const auto tail = std::ranges::find(tails_, server.system_identifier, &LogTail::identity);
        if (tail != tails_.end()) {
            check_slot(slots, log_slot_name(tail->log_id));
            ASB_CHECK(check_tail(server, *tail));
        }
        for (const auto& slot : slots)
            if (tail == tails_.end() || slot.name != log_slot_name(tail->log_id))
                note_foreign(slot);
        if (!slots.empty()) ASB_CHECK(check_limit());
        return std::move(lines_);
    }

  private:
    void add(Verdict verdict, const char* subject, std::string detail, std::string fix = {}) {
        lines_.push_back(check_line(verdict, subject, std::move(detail), std::move(fix)));
    }
    Result<std::vector<SlotRow>> read_slots();
    void check_slot(const std::vector<SlotRow>& slots, const std::string& name);
    Status check_tail(const ServerIdentity& server, const LogTail& tail);
    void note_foreign(const SlotRow& slot);
    Status check_limit();

    Connection sql_;
    Connection replication_;
    const std::vector<LogTail>& tails_;
    std::vector<CheckLine> lines_;
};

// Ours, of whichever log. What a slot keeps is measured from the end of the WAL.
Result<std::vector<SlotRow>> LogCheck::read_slots() {
    ASB_TRY(const auto rows,
            sql_.query("SELECT slot_name, active, coalesce(wal_status, ''), "
                       "coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN "
                       "pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), "
                       "0)::bigint FROM pg_replication_slots WHERE slot_name LIKE "
                       "'auth\\_service\\_backup\\_%' AND NOT temporary ORDER BY 1"));
    std::vector<SlotRow> slots;
    const int count = PQntuples(rows.get());
    slots.reserve(static_cast<std::size_t>(count));
    for (int row = 0; row < count; ++row)
        slots.push_back({.name = std::string(cell(rows, row, 0)),
                         .active = cell(rows, row, 1) == "t",
                         .status = std::string(cell(rows, row, 2)),
                         .kept_bytes = parse_u64(cell(rows, row, 3)).value_or(0)});
    return slots;
}

void LogCheck::check_slot(const std::vector<SlotRow>& slots, const std::string& name) {
    constexpr const char* kSubject = "replication slot";
    const auto slot = std::ranges::find(slots, name, &SlotRow::name);
    if (slot == slots.end())
        return add(Verdict::ok, kSubject,
                   "none: the first incremental backup or stream makes it (POSTGRES_SLOT)");
    const auto what = fmt::format("{}, {}, keeps {} of WAL", name,
                                  slot->active ? "in use by a stream" : "not in use just now",
                                  human_bytes(slot->kept_bytes));
    if (slot->status == "lost")
        return add(Verdict::warn, kSubject,
                   name +
                       " is lost: the server kept WAL up to max_slot_wal_keep_size; the next "
                       "incremental backup will be a full one",
                   kLimitFix);
    if (slot->status == "unreserved")
        return add(Verdict::warn, kSubject, what + ", and is about to be lost",
                   "take an incremental backup now: backup.sh --type incremental");
    add(Verdict::ok, kSubject, what);
}

// What is there to take, and whether it can be taken.
Status LogCheck::check_tail(const ServerIdentity& server, const LogTail& tail) {
    constexpr const char* kSubject = "log since the last backup";
    const auto joint = join_log(replication_, server, tail.end, tail.branches);
    if (!joint) {
        lines_.push_back(failed_check(kSubject, joint.error()));
        return {};
    }
    if (!joint->gap.empty()) {
        add(Verdict::warn, kSubject, "does not go on: " + joint->gap,
            "the next incremental backup will be a full one: backup.sh --type full");
        return {};
    }
    WalStream stream(replication_, {}, *joint);
    const auto started = stream.start(tail.end);
    const auto first = started ? stream.next(after(std::chrono::seconds(1)))
                               : Result<std::optional<WalStream::Event>>(started.error());
    if (!first && stream.gap()) {
        add(Verdict::warn, kSubject, *stream.gap(),
            "the next incremental backup will be a full one; a slot keeps WAL: POSTGRES_SLOT=on");
        return {};
    }
    if (!first) return first.error();
    const auto bytes = server.log_end.value - std::min(server.log_end.value, tail.end.at);
    add(Verdict::ok, kSubject,
        fmt::format("{} not yet in the repository, since {}", human_bytes(bytes),
                    tail.written_by.empty() ? std::string("the stream") : tail.written_by));
    return stream.finish();
}

void LogCheck::note_foreign(const SlotRow& slot) {
    if (slot.active) return;
    add(Verdict::warn, "replication slot",
        fmt::format("{} is of another repository, or was left behind: it keeps {} of WAL",
                    slot.name, human_bytes(slot.kept_bytes)),
        fmt::format("when nothing uses it any more: SELECT pg_drop_replication_slot('{}');",
                    slot.name));
}

Status LogCheck::check_limit() {
    ASB_TRY(const auto limit, sql_.query("SHOW max_slot_wal_keep_size"));
    const auto text = std::string(cell(limit, 0, 0));
    if (text != "-1")
        add(Verdict::ok, "max_slot_wal_keep_size", text);
    else
        add(Verdict::warn, "max_slot_wal_keep_size",
            "no limit: when no backup comes any more, the slot fills the server's disk", kLimitFix);
    return {};
}

}  // namespace

std::vector<CheckLine> check_postgres_log(const std::string& conninfo,
                                          const std::vector<LogTail>& tails,
                                          const StopToken& stop) {
    auto sql = Connection::open(conninfo, {.check_version = false}, stop);
    auto replication =
        Connection::open(conninfo, {.mode = ConnectionOptions::Mode::replication}, stop);
    if (!sql || !replication) return {};
    auto lines = LogCheck(std::move(*sql), std::move(*replication), tails).run();
    if (lines) return std::move(*lines);
    return {failed_check("replication slot", lines.error())};
}

}  // namespace asb
