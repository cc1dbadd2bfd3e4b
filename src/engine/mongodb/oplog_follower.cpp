#include "engine/mongodb/oplog_follower.hpp"
#include <algorithm>
#include <vector>

#include "engine/mongodb/incremental_session.hpp"
#include "engine/mongodb/oplog_parts.hpp"
#include "engine/mongodb/oplog_questions.hpp"

namespace asb {
namespace {

// Between two questions while nothing waits: a share of the seconds that a stream may lag behind.
constexpr std::chrono::milliseconds kAskEvery{1000};
// A server notes that it lives every 10 s; such notes are worth a chunk, since they say that
// nothing happened, but not each.
constexpr std::chrono::seconds kQuietEvery{60};

class OplogFollower final : public LogFollower {
  public:
    OplogFollower(SessionContext context, OplogSource source, const OplogTail& tail)
        : context_(std::move(context)),
          source_(std::move(source)),
          filter_(source_.database),
          start_(tail.optime),
          ledger_(tail) {}

    // Proves that the log goes on from the tail. The gap, or empty.
    Result<std::string> open();
    Result<std::optional<News>> next(std::size_t bytes_max, Deadline deadline) override;
    Status confirm(const LogPoint& /*point*/) override { return {}; }  // no server waits for it
    [[nodiscard]] LogLag lag() const override;

  private:
    struct Held {
        EntryMark mark;
        std::vector<std::byte> bytes;
    };
    Status ask();
    Status collect(std::size_t bytes_max);
    Result<std::optional<OplogContinuation::Entry>> next_entry();
    Status add(const OplogContinuation::Entry& entry);
    [[nodiscard]] bool worth_a_chunk() const;
    LogChunk chunk();
    void begin_chunk();

    SessionContext context_;
    OplogSource source_;
    OplogFilter filter_;
    std::optional<OplogContinuation> continuation_;  // while there is more of one answer
    OplogEnd end_;                                   // of continuation_, or of the one before
    std::optional<Held> held_;                       // the first entry of the next chunk
    std::optional<EntryMark> last_;
    std::optional<Error> blocked_;  // by an entry that cannot be replayed, after what is collected
    Deadline ask_at_{};             // the next question
    Deadline quiet_until_{};

    bool given_ = false;  // what is collected was given out
    OpTime start_;        // the chunk's
    OplogLedger ledger_;
    std::vector<std::byte> bytes_;
    CommitTime covered_until_{};
};

Result<std::string> OplogFollower::open() {
    ASB_CHECK(check_not_behind(source_.member, ledger_.tail()));
    ASB_CHECK(ask());
    const auto proved = continuation_->prove();
    if (continuation_->gap()) return *continuation_->gap();
    if (!proved.ok()) return proved.error();
    ASB_TRY(const auto first, continuation_->next());
    if (!first) return std::string();
    held_ = Held{first->mark, {first->bytes.begin(), first->bytes.end()}};
    const auto fits = check_oplog_entry(first->bytes, source_.database, OplogRule::after_it);
    return fits.ok() ? std::string() : fits.error().fact;
}

Status OplogFollower::ask() {
    ask_at_ = after(kAskEvery);
    ASB_TRY(end_, ask_oplog_end(source_.member.connection));
    continuation_.emplace(source_.member.connection, ledger_.tail(), end_.optime);
    return {};
}

Result<std::optional<LogFollower::News>> OplogFollower::next(std::size_t bytes_max,
                                                             Deadline deadline) {
    if (given_) begin_chunk();
    for (;;) {
        ASB_CHECK(context_.stop.check());
        if (!continuation_ && !blocked_) {
            if (ask_at_ > deadline) {
                ASB_CHECK(context_.stop.wait_until(deadline));
                return std::optional<News>();
            }
            ASB_CHECK(context_.stop.wait_until(ask_at_));
            ASB_CHECK(ask());
        }
        if (!blocked_) ASB_CHECK(collect(bytes_max));
        if (worth_a_chunk()) return std::optional(News{.chunk = chunk(), .change = {}});
        if (blocked_) return *blocked_;
    }
}

Result<std::optional<OplogContinuation::Entry>> OplogFollower::next_entry() {
    if (!held_) return continuation_->next();
    return std::optional(OplogContinuation::Entry{held_->bytes, held_->mark});
}

// To the end of the answer, or until the chunk is full and its last position whole.
Status OplogFollower::collect(std::size_t bytes_max) {
    for (;;) {
        ASB_TRY(const auto entry, next_entry());
        if (!entry) {
            continuation_.reset();
            return {};
        }
        const bool full = bytes_.size() >= bytes_max && last_ && !entry->mark.belongs_to(*last_);
        if (full) {
            if (!held_) held_ = Held{entry->mark, {entry->bytes.begin(), entry->bytes.end()}};
            return {};
        }
        const auto fits = check_oplog_entry(entry->bytes, source_.database, OplogRule::after_it);
        if (!fits.ok()) {
            blocked_ = fits.error();
            continuation_.reset();
            return {};
        }
        ASB_CHECK(add(*entry));
        held_.reset();
    }
}

Status OplogFollower::add(const OplogContinuation::Entry& entry) {
    last_ = entry.mark;
    ledger_.read(entry.bytes, entry.mark);
    ASB_TRY(const auto kept, filter_.take(entry.bytes));
    if (!kept) return {};
    ledger_.keep(entry.mark);
    bytes_.insert(bytes_.end(), kept->begin(), kept->end());
    return {};
}

bool OplogFollower::worth_a_chunk() const {
    const bool moved = ledger_.last_record() != 0;
    const bool due = blocked_ || std::chrono::steady_clock::now() >= quiet_until_;
    return moved && (ledger_.times({}).commits > 0 || due);
}

LogChunk OplogFollower::chunk() {
    given_ = true;
    quiet_until_ = std::chrono::steady_clock::now() + kQuietEvery;
    const OplogTail tail = ledger_.tail();
    const bool all = !continuation_ && !blocked_;
    LogTimes times = ledger_.times(all ? std::max(end_.settled, covered_until_) : covered_until_);
    covered_until_ = times.covered_until;
    return {.range = {0, point_of(start_), point_of(tail.optime)},
            .bytes = bytes_,
            .times = times,
            .last_record = ledger_.last_record(),
            .tail = to_json(tail)};
}

void OplogFollower::begin_chunk() {
    given_ = false;
    const OplogTail tail = ledger_.tail();
    start_ = tail.optime;
    ledger_ = OplogLedger(tail);
    bytes_.clear();
}

LogLag OplogFollower::lag() const {
    const bool waiting = continuation_.has_value() && last_;
    if (!waiting) return {};
    const auto behind = CommitTime(end_.newest_write) - last_->wall;
    return {.bytes = 0,
            .time = std::max(std::chrono::milliseconds(0),
                             std::chrono::duration_cast<std::chrono::milliseconds>(behind))};
}

}  // namespace

Result<FollowerOpening> follow_mongodb(const Settings& settings, SessionContext context) {
    ASB_TRY(OplogSource source, open_oplog_source(settings, context.stop, context.log));
    const TailChoice choice = choose_tail(context.tails, source.identity);
    FollowerOpening opening;
    if (choice.tail == nullptr) {
        opening.gap = choice.gap;
        return opening;
    }
    opening.tail = *choice.tail;
    ASB_TRY(OplogTail tail, parse_oplog_tail(choice.tail->tail));
    auto follower =
        std::make_unique<OplogFollower>(std::move(context), std::move(source), std::move(tail));
    ASB_TRY(opening.gap, follower->open());
    if (opening.gap.empty()) opening.follower = std::move(follower);
    return opening;
}

}  // namespace asb
