#include "engine/postgres/incremental_backup.hpp"

#include "base/text.hpp"
#include "engine/postgres/log_slot.hpp"
#include "engine/postgres/rehoming_sink.hpp"
#include "engine/postgres/replication_slot.hpp"
#include "engine/postgres/wal_continuation.hpp"
#include "engine/postgres/wal_log_search.hpp"
#include "engine/postgres/wal_moment.hpp"
#include "engine/postgres/wal_pieces.hpp"
#include "engine/postgres/wal_stream.hpp"
#include "engine/postgres/wal_trace.hpp"

namespace asb {
namespace {

// The server has what we ask for already; keepalives alone do not count as progress.
constexpr std::chrono::seconds kNoWalMax{60};
// How long a server that never pauses is followed only to learn what its clock says.
constexpr std::chrono::seconds kMomentMax{5};

// Takes WAL of one timeline after another into entries, and knows what is in it.
class WalIntake {
  public:
    WalIntake(EntrySink& sink, std::uint64_t segment_bytes, const LogPoint& start,
              WalReader::Start kind)
        : sink_(sink), segment_bytes_(segment_bytes) {
        begin_line(start, kind);
    }
    Status take(Bytes bytes) {
        ASB_CHECK(trace_->feed(bytes));
        return pieces_->write(bytes);
    }
    // The timeline ends here, whether a record does or not.
    Status change_line(const LogLineChange& change) {
        ASB_CHECK(end_line(Lsn{change.branch.at}));
        ASB_CHECK(push_small_entry(
            sink_, fmt::format("{}/{}", kWalRangesFolder, history_file_name(change.branch.line)),
            change.history));
        begin_line({change.branch.line, change.branch.at}, WalReader::Start::at_record);
        return {};
    }
    // As WalTrace::hole.
    [[nodiscard]] std::string hole() const { return trace_->hole(); }
    // Cuts off the record that is not complete.
    Status finish() { return end_line(trace_->boundary()); }

    // Where the last complete record ends.
    [[nodiscard]] Lsn boundary() const { return trace_->boundary(); }
    [[nodiscard]] const std::vector<LogRange>& ranges() const { return ranges_; }
    [[nodiscard]] std::uint64_t last_record() const { return last_record_; }
    [[nodiscard]] const LogTimes& times() const { return times_; }
    [[nodiscard]] const Json& proof() const { return proof_; }

  private:
    void begin_line(const LogPoint& start, WalReader::Start kind) {
        line_ = start;
        trace_ = std::make_unique<WalTrace>(segment_bytes_, Lsn{start.at}, kind);
        pieces_ = std::make_unique<WalPieces>(sink_, start.line, Lsn{start.at}, segment_bytes_);
    }
    Status end_line(Lsn end) {
        ASB_TRY(end, pieces_->finish(end));
        ranges_.push_back({.line = line_.line, .start = line_.at, .end = end.value});
        last_record_ = trace_->last_record();
        proof_ = trace_->proof(end);
        add_times(trace_->times());
        return push_small_entry(sink_, wal_times_entry(line_.line), to_text(trace_->times()));
    }
    void add_times(const WalTimes& times) {
        const auto totals = times.totals();
        if (totals.commits != 0)
            times_.newest_commit = times_.commits == 0
                                       ? totals.newest_commit
                                       : std::max(times_.newest_commit, totals.newest_commit);
        times_.commits += totals.commits;
    }

    EntrySink& sink_;
    std::uint64_t segment_bytes_;
    LogPoint line_;  // where the current line began
    std::unique_ptr<WalTrace> trace_;
    std::unique_ptr<WalPieces> pieces_;
    std::vector<LogRange> ranges_;
    std::uint64_t last_record_ = 0;
    LogTimes times_;
    Json proof_ = Json::object();
};

class IncrementalSession final : public BackupSession {
  public:
    IncrementalSession(SessionContext context, Connection connection, ServerIdentity server,
                       SlotPolicy policy)
        : context_(std::move(context)),
          connection_(std::move(connection)),
          server_(std::move(server)),
          policy_(policy),
          moment_(server_.in_recovery) {}

    // Looks for a gap, reading only.
    Status prepare();
    [[nodiscard]] std::uint64_t expected_bytes() const override { return expected_bytes_; }
    [[nodiscard]] std::vector<std::string> plan() const override;
    Status write_entries(EntrySink& sink) override;
    [[nodiscard]] const BackupFacts& facts() const override { return facts_; }
    [[nodiscard]] std::optional<std::string> gap() const override { return gap_; }
    [[nodiscard]] const LogTail* goes_on_from() const override { return &tail_; }
    Status settle() override {
        return move_log_slot(connection_, facts_.log->log_id, facts_.log->end());
    }

  private:
    Status copy(WalStream& stream, WalIntake& intake);
    Status take(WalStream& stream, const WalStream::Event& event, WalIntake& intake);
    Result<CommitTime> covered_until(WalStream& stream, WalIntake& intake);
    Result<std::unique_ptr<WalStream>> open_stream();
    void record(const WalIntake& intake, const WalStream& stream, CommitTime covered);

    SessionContext context_;
    Connection connection_;
    ServerIdentity server_;
    SlotPolicy policy_;
    WalMoment moment_;
    LogTail tail_;
    LogJoint joint_;
    std::uint64_t expected_bytes_ = 0;
    std::optional<std::string> gap_;
    BackupFacts facts_;
};

Status IncrementalSession::prepare() {
    ASB_TRY(auto continuation, continue_wal(connection_, server_, context_.tails));
    if (!continuation.gap.empty()) gap_ = std::move(continuation.gap);
    tail_ = std::move(continuation.tail);
    joint_ = std::move(continuation.joint);
    expected_bytes_ = server_.log_end.value - std::min(server_.log_end.value, tail_.end.at);
    return {};
}

std::vector<std::string> IncrementalSession::plan() const {
    std::vector<std::string> lines = {connection_.target().replication_line()};
    if (gap_) return lines;
    lines.push_back(
        fmt::format("copy the WAL of PostgreSQL {} from {} on timeline {}, where {} "
                    "ends, to {} on timeline {}: {}",
                    server_.version, to_text(Lsn{tail_.end.at}), tail_.end.line, tail_.written_by,
                    to_text(server_.log_end), server_.timeline, human_bytes(expected_bytes_)));
    return lines;
}

// With our slot; without it while a stream uses it, which keeps the WAL for us as well.
Result<std::unique_ptr<WalStream>> IncrementalSession::open_stream() {
    ASB_TRY(auto slot, ensure_log_slot(connection_, policy_, tail_.log_id));
    auto stream = std::make_unique<WalStream>(connection_, std::move(slot), joint_);
    auto started = stream->start(tail_.end);
    if (!started.ok() && connection_.last_sqlstate() == kObjectInUse) {
        stream = std::make_unique<WalStream>(connection_, std::string(), joint_);
        started = stream->start(tail_.end);
    }
    if (started.ok()) return stream;
    gap_ = stream->gap();
    return started.error();
}

// Up to where the server was when the session began.
Status IncrementalSession::copy(WalStream& stream, WalIntake& intake) {
    const auto reached = [&] {
        const auto& at = stream.position();
        return at.line >= server_.timeline && at.at >= server_.log_end.value;
    };
    while (!reached()) {
        ASB_TRY(const auto event, stream.next(after(kNoWalMax)));
        if (!event)
            return fail(Code::database, "the server sends no WAL at {} in a minute",
                        to_text(Lsn{stream.position().at}));
        ASB_CHECK(take(stream, *event, intake));
        if (event->keepalive && event->keepalive->reply_requested)
            ASB_CHECK(stream.report(Lsn{tail_.end.at}, Reply::not_needed));
    }
    return {};
}

Status IncrementalSession::take(WalStream& stream, const WalStream::Event& event,
                                WalIntake& intake) {
    if (event.change) ASB_CHECK(intake.change_line(*event.change));
    if (!event.wal.empty()) ASB_CHECK(intake.take(event.wal));
    context_.progress.add(event.wal.size());
    moment_.take(stream, event, intake.boundary());
    const auto hole = intake.hole();
    if (hole.empty()) return {};
    gap_ = hole;
    return fail(Code::database, "{}", hole);
}

// Goes on until a moment is known at the very end of what has come, as far as there is one.
Result<CommitTime> IncrementalSession::covered_until(WalStream& stream, WalIntake& intake) {
    const auto deadline = after(kMomentMax);
    while (!server_.in_recovery && std::chrono::steady_clock::now() < deadline) {
        const auto& known = moment_.known(intake.boundary());
        if (known.time != CommitTime{} && known.at == intake.boundary()) break;
        ASB_CHECK(stream.report(Lsn{tail_.end.at}, Reply::wanted));
        ASB_TRY(const auto event, stream.next(deadline));
        if (event) ASB_CHECK(take(stream, *event, intake));
    }
    return moment_.known(intake.boundary()).time;
}

Status IncrementalSession::write_entries(EntrySink& sink) {
    ASB_ASSERT(!gap_);
    connection_.take_warnings();
    ASB_TRY(const auto stream, open_stream());
    WalIntake intake(sink, server_.wal_segment_bytes, tail_.end, start_kind(tail_.tail));
    ASB_CHECK(sink.begin(
        {.name = std::string(kWalRangesFolder), .type = EntryType::folder, .mode = 0700}));
    ASB_CHECK(sink.end());
    CommitTime covered{};
    const auto run = [&]() -> Status {
        ASB_CHECK(copy(*stream, intake));
        ASB_TRY(covered, covered_until(*stream, intake));
        ASB_CHECK(stream->finish());
        return intake.finish();
    };
    if (auto done = run(); !done.ok()) {
        if (!gap_) gap_ = stream->gap();
        return done;
    }
    facts_.warnings = connection_.take_warnings();
    record(intake, *stream, covered);
    return {};
}

void IncrementalSession::record(const WalIntake& intake, const WalStream& stream,
                                CommitTime covered) {
    LogFacts log;
    log.log_id = tail_.log_id;
    log.identity = tail_.identity;
    log.ranges = intake.ranges();
    log.branches = stream.branches();
    log.times = intake.times();
    log.last_record = intake.last_record();
    log.tail = intake.proof();
    log.times.covered_until = std::max(covered, log.times.newest_commit);
    if (log.end() == tail_.end) log.tail = tail_.tail;  // nothing was written
    facts_.engine = {{"name", "postgresql"},
                     {"method", "wal"},
                     {"version", server_.version},
                     {"version_num", server_.version_number},
                     {"system_identifier", server_.system_identifier},
                     {"timeline", log.end().line},
                     {"start_lsn", to_text(Lsn{tail_.end.at})},
                     {"end_lsn", to_text(Lsn{log.end().at})},
                     {"wal_segment_bytes", server_.wal_segment_bytes},
                     {"from_standby", server_.in_recovery},
                     {"commits", log.times.commits}};
    facts_.log = std::move(log);
}

}  // namespace

Result<std::unique_ptr<BackupSession>> open_wal_incremental(const Settings& settings,
                                                            SessionContext context) {
    ASB_TRY(Connection connection,
            Connection::open(settings.text("DATABASE_URL"),
                             {.mode = ConnectionOptions::Mode::replication}, context.stop));
    ASB_TRY(ServerIdentity server, identify_server(connection));
    ASB_CHECK(context.stop.check());
    auto session = std::make_unique<IncrementalSession>(std::move(context), std::move(connection),
                                                        std::move(server), slot_policy(settings));
    ASB_CHECK(session->prepare());
    return std::unique_ptr<BackupSession>(std::move(session));
}

}  // namespace asb
