#include "engine/mongodb/oplog_check.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/check_lines.hpp"
#include "engine/mongodb/dump_oplog.hpp"
#include "engine/mongodb/incremental_session.hpp"

namespace asb {
namespace {

using Verdict = CheckLine::Verdict;

constexpr const char* kSubject = "oplog since the last backup";
// The product's schedule: an incremental backup every six hours (BACKUP_SCHEDULE_INCREMENTAL).
constexpr std::chrono::hours kBetweenBackups{6};

CheckLine judge(const LogTail& tail, const OplogReach& reach, Instant now) {
    const auto end = std::chrono::seconds(tail.end.at >> 32U);
    const auto age =
        std::max(std::chrono::seconds(0),
                 std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()) - end);
    const auto window = reach.full.value_or(reach.now);
    const auto detail = fmt::format("goes on from {}, which is {} old", printable(tail.written_by),
                                    human_duration(age));
    if (!reach.full || window >= age + kBetweenBackups)
        return check_line(Verdict::ok, kSubject, detail);
    return check_line(
        Verdict::warn, kSubject,
        fmt::format("{}; at the present rate the oplog reaches back {}, and rolls over before an "
                    "incremental backup in {} h",
                    detail, human_duration(window), kBetweenBackups.count()),
        "take incremental backups more often, run auth-service-backup stream, or enlarge the "
        "oplog: db.adminCommand({replSetResizeOplog: 1, size: <megabytes>})");
}

}  // namespace

std::vector<CheckLine> check_mongodb_log(const Settings& settings,
                                         const std::vector<LogTail>& tails, const StopToken& stop) {
    if (tails.empty()) return {};
    Log quiet({.run_id = "check", .stderr_enabled = false});
    Progress progress;
    SessionContext context{quiet, progress, stop};
    context.tails = tails;
    const auto session = open_mongodb_incremental(settings, std::move(context));
    if (!session) return {};
    if (const auto gap = (*session)->gap())
        return {
            check_line(Verdict::warn, kSubject, "does not go on: " + *gap,
                       "the next incremental backup will be a full one: backup.sh --type full")};
    auto source = open_oplog_source(settings, stop, quiet);
    const auto* tail = (*session)->goes_on_from();
    if (!source || tail == nullptr) return {};
    const auto reach = oplog_reach(source->member.connection);
    if (!reach) return {failed_check(kSubject, reach.error())};
    return {judge(*tail, *reach, now())};
}

}  // namespace asb
