#include "engine/postgres/wal_stream.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/postgres/timeline_history.hpp"

namespace asb {
namespace {

// For an answer that is no matter of new WAL.
constexpr std::chrono::seconds kAnswerMax{60};

constexpr std::string_view kFileRemoved = "58P01";  // undefined_file
constexpr std::string_view kNotInState = "55000";   // object_not_in_prerequisite_state

std::string text_of(const LogPoint& point) {
    return fmt::format("{} on timeline {}", to_text(Lsn{point.at}), point.line);
}

// Why the server's ancestry is none of which the backups' line is a part; empty: it is.
std::string contradiction(const std::vector<LogBranch>& branches, std::uint32_t timeline,
                          const LogPoint& end, const std::vector<LogBranch>& known) {
    if (timeline < end.line)
        return fmt::format(
            "the server is on timeline {}, and the last backup ends on timeline {}: "
            "another server, or one that was restored",
            timeline, end.line);
    for (const auto& branch : known)
        if (branch.line <= end.line && std::ranges::find(branches, branch) == branches.end())
            return fmt::format(
                "the server's timeline {} is another one than the backups': it was "
                "restored, or promoted twice",
                branch.line);
    if (timeline == end.line || branch_from(branches, end.line) != nullptr) return {};
    return fmt::format("the server's timeline {} does not come from timeline {}", timeline,
                       end.line);
}

// Why the server did not go on to `end` on that line; empty: it did.
std::string early_branch(const std::vector<LogBranch>& branches, const LogPoint& end) {
    const auto* left = branch_from(branches, end.line);
    if (left == nullptr || left->at >= end.at) return {};
    return fmt::format(
        "the server left timeline {} at {}, before the last backup's end at {}: it "
        "was restored to an earlier moment, or a standby was promoted that lacked "
        "the last WAL",
        end.line, to_text(Lsn{left->at}), to_text(Lsn{end.at}));
}

}  // namespace

Result<LogJoint> join_log(Connection& connection, const ServerIdentity& server, const LogPoint& end,
                          const std::vector<LogBranch>& known) {
    LogJoint joint;
    if (server.timeline > 1) {
        ASB_TRY(const auto text, read_timeline_history(connection, server.timeline));
        ASB_TRY(joint.branches, parse_timeline_history(text, server.timeline));
    }
    joint.gap = contradiction(joint.branches, server.timeline, end, known);
    joint.other_history = !joint.gap.empty();
    if (joint.gap.empty()) joint.gap = early_branch(joint.branches, end);
    if (!joint.gap.empty() || server.timeline != end.line || server.log_end.value >= end.at)
        return joint;
    if (server.in_recovery) {
        auto behind =
            fail(Code::database,
                 "the standby has received WAL up to {}, and the last backup reaches to {}",
                 to_text(server.log_end), to_text(Lsn{end.at}));
        behind.retryable = true;
        return with_hint(std::move(behind),
                         "wait until it has caught up, or name the primary in DATABASE_URL");
    }
    joint.gap = fmt::format(
        "the server's WAL ends at {}, before the last backup's end at {}: it "
        "was restored or made anew",
        to_text(server.log_end), to_text(Lsn{end.at}));
    joint.other_history = true;
    return joint;
}

Status WalStream::start(const LogPoint& from) {
    position_ = from;
    return begin();
}

Status WalStream::explain(Error error) {
    const auto& state = connection_.last_sqlstate();
    if (state == kFileRemoved)
        gap_ = fmt::format("the server has already removed the WAL at {}", text_of(position_));
    else if (state == kNotInState && !slot_.empty())
        gap_ = fmt::format(
            "the replication slot {} has been lost: the server kept WAL for it up to "
            "max_slot_wal_keep_size and no longer",
            slot_);
    return error;
}

Status WalStream::begin() {
    const auto slot = slot_.empty() ? std::string() : fmt::format("SLOT {} ", slot_);
    ASB_CHECK(connection_.send(fmt::format("START_REPLICATION {}PHYSICAL {} TIMELINE {}", slot,
                                           to_text(Lsn{position_.at}), position_.line)));
    auto result = connection_.next_result(after(kAnswerMax));
    if (!result.ok()) {
        // Up to ReadyForQuery, so that the connection can be asked again.
        while (true) {
            const auto rest = connection_.next_result(after(kAnswerMax));
            if (!rest.ok() || rest.value() == nullptr) break;
        }
        return explain(std::move(result.error()));
    }
    const auto status = PQresultStatus(result->get());
    if (status != PGRES_COPY_BOTH && status != PGRES_TUPLES_OK)
        return fail(Code::database,
                    "the server's answer to START_REPLICATION is not as documented");
    streaming_ = status == PGRES_COPY_BOTH;
    if (streaming_) return {};
    // The timeline ended just here: next_line reads on.
    for (;;) {
        ASB_TRY(const PgResult rest, connection_.next_result(after(kAnswerMax)));
        if (rest == nullptr) return {};
    }
}

// The server has ended the copy, well or with an error. Reads to where it can be asked again.
Status WalStream::leave_copy() {
    streaming_ = false;
    std::optional<Error> error;
    for (;;) {
        auto result = connection_.next_result(after(kAnswerMax));
        if (!result.ok()) {
            if (error) return *error;  // and now the connection broke too
            error = explain(std::move(result.error())).error();
            continue;
        }
        if (result.value() == nullptr) return error ? Status(*error) : Status();
        // It waits for the end of our side.
        if (PQresultStatus(result->get()) == PGRES_COPY_IN)
            ASB_CHECK(connection_.finish_copy(after(kAnswerMax)));
    }
}

// The server has ended the stream: its timeline ends here, or it has an error to tell.
Result<std::optional<LogLineChange>> WalStream::next_line() {
    if (streaming_) ASB_CHECK(leave_copy());
    ASB_TRY(const ServerIdentity server, identify_server(connection_));
    ASB_TRY(joint_, join_log(connection_, server, position_, joint_.branches));
    if (!joint_.gap.empty()) {
        gap_ = joint_.gap;
        return fail(Code::database, "{}", joint_.gap);
    }
    const auto* branch = branch_from(joint_.branches, position_.line);
    if (branch == nullptr || branch->at != position_.at)
        return fail(Code::database, "the server ended its stream at {}", text_of(position_));
    LogLineChange change{.branch = *branch, .history = {}};
    ASB_TRY(change.history, read_timeline_history(connection_, branch->line));
    position_.line = branch->line;
    ASB_CHECK(begin());
    return std::optional(std::move(change));
}

Result<std::optional<WalStream::Event>> WalStream::take(Bytes message) {
    ASB_TRY(const ReplicationMessage parsed, parse_replication_message(message));
    if (const auto* keepalive = std::get_if<Keepalive>(&parsed))
        return std::optional(Event{.keepalive = *keepalive});
    const auto& wal = std::get<WalData>(parsed);
    if (wal.start.value != position_.at)
        return fail(Code::database, "the server sent WAL at {} where {} was next",
                    to_text(wal.start), to_text(Lsn{position_.at}));
    position_.at += wal.bytes.size();
    server_end_ = wal.server_end;
    server_time_ = wal.server_time;
    return std::optional(Event{.wal = wal.bytes});
}

Result<std::optional<WalStream::Event>> WalStream::next(Deadline deadline) {
    if (streaming_) {
        ASB_TRY(const auto polled, connection_.poll_copy(deadline));
        if (polled.what == Connection::Polled::What::nothing) return std::optional<Event>();
        if (polled.what == Connection::Polled::What::message) return take(polled.message);
    }
    ASB_TRY(auto change, next_line());
    return std::optional(Event{.change = std::move(change)});
}

Status WalStream::report(Lsn kept, Reply reply) {
    if (!streaming_) return {};
    const auto message = status_update(Lsn{position_.at}, kept, now(), reply);
    return connection_.write_copy(message, after(kAnswerMax));
}

Status WalStream::finish() {
    if (!streaming_) return {};
    streaming_ = false;
    const Deadline deadline = after(kAnswerMax);
    ASB_CHECK(connection_.finish_copy(deadline));
    for (;;) {
        ASB_TRY(const auto message, connection_.read_copy(deadline));
        if (!message) break;
    }
    for (;;) {
        ASB_TRY(const PgResult result, connection_.next_result(deadline));
        if (result == nullptr) return {};
    }
}

}  // namespace asb
