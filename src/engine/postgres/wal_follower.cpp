#include "engine/postgres/wal_follower.hpp"

#include "base/text.hpp"
#include "engine/postgres/log_slot.hpp"
#include "engine/postgres/replication_slot.hpp"
#include "engine/postgres/wal_continuation.hpp"
#include "engine/postgres/wal_moment.hpp"
#include "engine/postgres/wal_trace.hpp"

namespace asb {
namespace {

// A record that is longer is cut; what is held meanwhile stays bounded.
constexpr std::size_t kHeldBytesMax = 16 * kMiB;
// The server gives up a client that says nothing for wal_sender_timeout (a minute).
constexpr std::chrono::seconds kReportEvery{10};

CommitTime server_clock() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

std::optional<LogFollower::News> news_of(LogChunk chunk) {
    return LogFollower::News{.chunk = std::move(chunk), .change = {}};
}

class WalFollower final : public LogFollower {
  public:
    WalFollower(Connection connection, const ServerIdentity& server, WalContinuation continuation)
        : connection_(std::move(connection)),
          continuation_(std::move(continuation)),
          segment_bytes_(server.wal_segment_bytes),
          moment_(server.in_recovery) {}

    // The gap, or empty.
    Result<std::string> open(SlotPolicy policy);
    Result<std::optional<News>> next(std::size_t bytes_max, Deadline deadline) override;
    Status confirm(const LogPoint& point) override;
    [[nodiscard]] LogLag lag() const override;

  private:
    void begin_line(const LogPoint& start, WalReader::Start kind);
    void drop_given();
    Result<std::optional<WalStream::Event>> next_event(Deadline deadline);
    Status take(WalStream::Event event);
    Status report_in_time(bool asked);
    [[nodiscard]] std::size_t complete_bytes() const;
    LogChunk chunk(Lsn end);
    LogChunk complete_chunk();
    News line_change();

    Connection connection_;
    WalContinuation continuation_;
    std::uint64_t segment_bytes_;
    WalMoment moment_;
    std::unique_ptr<WalStream> stream_;
    std::unique_ptr<WalTrace> trace_;      // of the current line
    LogPoint start_;                       // of bytes_
    std::string bytes_;                    // up to the stream's position
    std::size_t given_ = 0;                // bytes of the chunk that was given out
    std::optional<LogLineChange> change_;  // what comes after bytes_
    Lsn kept_{};  // 0, which the server passes over, until something was confirmed
    Deadline report_at_ = after(kReportEvery);
};

Result<std::string> WalFollower::open(SlotPolicy policy) {
    const LogTail& tail = continuation_.tail;
    ASB_TRY(auto slot, ensure_log_slot(connection_, policy, tail.log_id));
    stream_ = std::make_unique<WalStream>(connection_, slot, continuation_.joint);
    if (auto started = stream_->start(tail.end); !started.ok()) {
        if (stream_->gap()) return *stream_->gap();
        if (connection_.last_sqlstate() != kObjectInUse) return started.error();
        return with_hint(
            fail(Code::busy, "the replication slot {} is in use", slot),
            "another stream of this database is running; or one has just died, and the server "
            "will notice in a minute");
    }
    begin_line(tail.end, start_kind(tail.tail));
    return std::string();
}

void WalFollower::begin_line(const LogPoint& start, WalReader::Start kind) {
    start_ = start;
    bytes_.clear();
    trace_ = std::make_unique<WalTrace>(segment_bytes_, Lsn{start.at}, kind);
}

void WalFollower::drop_given() {
    bytes_.erase(0, given_);
    start_.at += given_;
    given_ = 0;
}

// How much of bytes_ lies before the last boundary.
std::size_t WalFollower::complete_bytes() const {
    const auto boundary = trace_->boundary().value;
    return boundary > start_.at ? boundary - start_.at : 0;
}

// A server may begin to stream, and only then find that the WAL is gone.
Result<std::optional<WalStream::Event>> WalFollower::next_event(Deadline deadline) {
    auto event = stream_->next(deadline);
    if (!event && stream_->gap()) return fail(Code::incomplete, "{}", *stream_->gap());
    return event;
}

// Everything that has come is taken before a chunk is given out, up to `bytes_max`: a server that
// commits in quick succession sends a message each.
Result<std::optional<LogFollower::News>> WalFollower::next(std::size_t bytes_max,
                                                           Deadline deadline) {
    drop_given();
    for (;;) {
        if (change_) return std::optional(line_change());
        const bool full = bytes_.size() >= std::min(bytes_max, kHeldBytesMax);
        if (full && complete_bytes() != 0) return news_of(complete_chunk());
        if (bytes_.size() >= kHeldBytesMax) return news_of(chunk(trace_->position()));
        const auto wait = complete_bytes() != 0 ? Deadline{} : std::min(deadline, report_at_);
        ASB_TRY(auto event, next_event(wait));
        if (event) {
            ASB_CHECK(take(std::move(*event)));
            continue;
        }
        ASB_CHECK(report_in_time(false));
        if (complete_bytes() != 0) return news_of(complete_chunk());
        if (std::chrono::steady_clock::now() >= deadline) return std::optional<News>();
    }
}

Status WalFollower::take(WalStream::Event event) {
    if (event.change) {
        change_ = std::move(event.change);
        return {};
    }
    if (!event.wal.empty()) {
        ASB_CHECK(trace_->feed(event.wal));
        if (const auto hole = trace_->hole(); !hole.empty())
            return fail(Code::incomplete, "{}", hole);
        bytes_ += as_text(event.wal);
    }
    moment_.take(*stream_, event, trace_->boundary());
    return report_in_time(event.keepalive && event.keepalive->reply_requested);
}

Status WalFollower::report_in_time(bool asked) {
    if (!asked && std::chrono::steady_clock::now() < report_at_) return {};
    report_at_ = after(kReportEvery);
    return stream_->report(kept_, Reply::not_needed);
}

LogChunk WalFollower::complete_chunk() {
    return chunk(trace_->boundary());
}

LogChunk WalFollower::chunk(Lsn end) {
    given_ = end.value - start_.at;
    LogChunk chunk{.range = {.line = start_.line, .start = start_.at, .end = end.value},
                   .bytes = as_bytes(bytes_).first(given_),
                   .times = trace_->take_totals(),
                   .last_record = trace_->last_record(),
                   .tail = trace_->proof(end)};
    if (chunk.last_record < start_.at) chunk.last_record = 0;
    if (trace_->boundary() < end) chunk.tail[kInsideRecord] = true;
    chunk.times.covered_until =
        std::max(moment_.known(trace_->boundary()).time, chunk.times.newest_commit);
    return chunk;
}

// What the old line still has goes first: it ends there, whether a record does or not.
LogFollower::News WalFollower::line_change() {
    if (!bytes_.empty()) return News{.chunk = chunk(trace_->position()), .change = {}};
    News news{.chunk = {}, .change = std::move(change_)};
    change_.reset();
    begin_line({news.change->branch.line, news.change->branch.at}, WalReader::Start::at_record);
    return news;
}

Status WalFollower::confirm(const LogPoint& point) {
    kept_ = Lsn{point.at};
    return report_in_time(true);
}

LogLag WalFollower::lag() const {
    const auto position = stream_->position().at;
    const auto end = stream_->server_end().value;
    if (end <= position) return {};
    const auto since = server_clock() - stream_->server_time();
    return {.bytes = end - position,
            .time = std::max(std::chrono::milliseconds(0),
                             std::chrono::duration_cast<std::chrono::milliseconds>(since))};
}

Result<Connection> connect(const Settings& settings, const SessionContext& context) {
    return Connection::open(
        settings.text("DATABASE_URL"),
        {.mode = ConnectionOptions::Mode::replication, .sender_timeout = std::chrono::minutes(1)},
        context.stop);
}

}  // namespace

Result<FollowerOpening> follow_wal(const Settings& settings, const SessionContext& context) {
    ASB_TRY(Connection connection, connect(settings, context));
    ASB_TRY(const ServerIdentity server, identify_server(connection));
    ASB_TRY(auto continuation, continue_wal(connection, server, context.tails));
    FollowerOpening opening;
    opening.gap = continuation.gap;
    if (!opening.gap.empty()) return opening;
    opening.tail = continuation.tail;
    auto follower =
        std::make_unique<WalFollower>(std::move(connection), server, std::move(continuation));
    ASB_TRY(opening.gap, follower->open(slot_policy(settings)));
    if (opening.gap.empty()) opening.follower = std::move(follower);
    return opening;
}

Result<std::vector<std::string>> drop_log_slots(const Settings& settings,
                                                const SessionContext& context) {
    ASB_TRY(Connection connection, connect(settings, context));
    std::vector<std::string> dropped;
    for (const auto& tail : context.tails) {
        const auto name = log_slot_name(tail.log_id);
        ASB_TRY(const auto state, read_slot(connection, name));
        if (!state) continue;
        ASB_CHECK(drop_slot(connection, name));
        dropped.push_back(name);
    }
    return dropped;
}

}  // namespace asb
