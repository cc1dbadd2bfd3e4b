#include "ops/stream_run.hpp"

#include <algorithm>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/backup.hpp"
#include "ops/backup_sources.hpp"
#include "ops/log_presence.hpp"
#include "repo/log_record.hpp"
#include "repo/log_tail.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// How often the status is written, and the follower is left when nothing comes.
constexpr milliseconds kStatusEvery{2'000};
constexpr milliseconds kIdle{1'000};
// A slot stays in use until the server notices that its client is gone: at once when the process
// died, after wal_sender_timeout (a minute, engine/postgres/wal_follower.cpp) when the network did.
constexpr std::chrono::seconds kBusyAtStart{5};
constexpr std::chrono::seconds kBusyLater{120};
// Full backups in a row after which the log still does not go on.
constexpr int kPromotionsMax = 3;
constexpr int kFutileMax = 2;
// How long the end waits for destinations that keep up: they are brought the rest at the next start
// otherwise.
constexpr std::chrono::seconds kMirrorsAtEnd{10};
// After that another destination takes the place of the first one.
constexpr std::chrono::seconds kFirstAwayMax{15};

// A repository that is full or away may come back; what it refuses for another reason does not.
bool may_mend(const Error& error) {
    return error.code == Code::store || error.code == Code::space;
}

}  // namespace

Error StreamRun::run() {
    auto ended = follow_for_ever();
    if (successor_) {
        sealer_.reset();
        return ended.error();
    }
    if (const auto rest = put_rest(); !rest.ok())
        context_.log.warning(
            "the last of what was taken could not be kept: {}; the server still "
            "has it",
            rest.error().fact);
    mirrors_.wait_until(after(kMirrorsAtEnd));
    if (follower_ != nullptr) static_cast<void>(confirm());
    sealer_.reset();
    if (ended.error().code != Code::interrupted) note(ended.error());
    say("ended");
    return ended.error();
}

// Ends with an error only.
Status StreamRun::follow_for_ever() {
    for (;;) {
        auto ended = connect();
        if (ended.ok()) ended = follow();
        ASB_CHECK(lost(ended.error()));
    }
}

Result<std::vector<LogTail>> StreamRun::tails() {
    if (tail_) return std::vector<LogTail>{*tail_};
    ASB_TRY(const auto catalog, load_catalog(*stores_.reader, job_count(context_.settings)));
    // Those of another key are as good as none: a full backup begins a log of this one.
    ASB_TRY(auto keyed, keyed_tails(context_, *stores_.reader, catalog, engine_->name()));
    return std::move(keyed.open);
}

// Until a follower goes on from the repository's end; takes a full backup when there is a gap.
Status StreamRun::connect() {
    for (;;) {
        ASB_CHECK(await_log());
        say("connecting");
        SessionContext session{context_.log, context_.progress, context_.stop};
        ASB_TRY(session.tails, tails());
        ASB_TRY(auto opening, engine_->follow(std::move(session)));
        if (opening.follower != nullptr) {
            follower_ = std::move(opening.follower);
            return begin_log(opening.tail);
        }
        ASB_CHECK(close_gap(opening.gap));
    }
}

// Once for each log: what is made here is never made again.
Status StreamRun::open_log(const LogTail& tail, StreamLog& log) {
    claim_.reset();
    ASB_TRY(claim_, claim_log(stores_, tail, context_.log));
    const LogRecord wanted{.log_id = tail.log_id,
                           .engine = log.engine,
                           .identity = tail.identity,
                           .created_at = {},
                           .encryption = {}};
    ASB_TRY(const auto record,
            ensure_log_record(*stores_.reader, *stores_.appender, wanted, keys_.get()));
    log.key = key_ = record.key;
    sealer_ = std::make_unique<StreamSealer>(
        StreamSealer::Stores{*stores_.reader, *stores_.appender, *stores_.eraser}, log,
        limits_.seal_objects, context_.log);
    ASB_CHECK(sealer_->load());
    mirrors_.begin({*stores_.reader, log, tail, limits_.seal_objects});
    return {};
}

Status StreamRun::begin_log(const LogTail& tail) {
    StreamLog log{.log_id = tail.log_id,
                  .engine = std::string(engine_->name()),
                  .identity = tail.identity,
                  .branches = tail.branches,
                  .key = key_,
                  .compressed = context_.settings.flag("COMPRESSION_ENABLED")};
    if (status_.log_id != tail.log_id) ASB_CHECK(open_log(tail, log));
    writer_ = std::make_unique<StreamWriter>(*stores_.appender, log);
    tail_ = tail;
    status_.log_id = tail.log_id;
    status_.identity = tail.identity;
    status_.taken = tail.end;
    confirmed_ = {};
    heard_ = false;
    status_.connected_since = now();
    was_connected_ = true;
    busy_until_.reset();
    context_.log.info("following the log {} of {} from {}", tail.log_id, tail.identity,
                      engine_->position_text(tail.end));
    say(std::string(kStateStreaming));
    return confirm();
}

Status StreamRun::close_gap(const std::string& gap) {
    if (request_.no_promote)
        return with_hint(fail(Code::incomplete, "the log cannot be followed: {}", gap),
                         "take a full backup first: backup.sh --type full");
    if (++promotions_ > kPromotionsMax)
        return with_hint(fail(Code::incomplete, "the log cannot be followed, even after {}: {}",
                              counted(kPromotionsMax, "full backup"), gap),
                         "look at the server's log; check says more: auth-service-backup check");
    context_.log.warning("a full backup is taken first, since the log cannot be followed: {}", gap);
    ASB_CHECK(await_log());
    say(std::string(kStateBackup));
    tail_.reset();
    writer_.reset();
    ASB_TRY(const auto report, run_backup(context_, {.type = BackupType::incremental}));
    return follow_where_it_is(report);
}

// The log goes on from the full backup that was taken: one that had no room for it is not the one
// to ask for the log's end.
Status StreamRun::follow_where_it_is(const Report& backup) {
    std::optional<std::string> holder;
    for (const auto& one : backup.document["destinations"]) {
        if (!one["ok"]) continue;
        const auto place = one["place"].get<std::string>();
        if (place == stores_.reader->place()) return {};
        if (!holder) holder = place;
    }
    if (!holder) return {};
    successor_ = std::move(holder);
    return fail(Code::store, "{} lacks the full backup that was taken", stores_.reader->place());
}

// Ends with an error only.
Status StreamRun::follow() {
    for (;;) {
        ASB_CHECK(context_.stop.check());
        const auto room = limits_.object_bytes -
                          std::min<std::uint64_t>(limits_.object_bytes - 1, writer_->plain_bytes());
        const auto deadline = writer_->empty()
                                  ? after(kIdle)
                                  : std::min(after(kIdle), writer_->began() + limits_.every);
        ASB_TRY(auto news, follower_->next(room, deadline));
        heard_ = true;
        if (news) ASB_CHECK(take(std::move(*news)));
        if (is_due()) ASB_CHECK(put_and_confirm());
        ASB_CHECK(confirm());
        sealer_->poll();
        if (Clock::now() >= status_at_) say_where();
    }
}

Status StreamRun::take(LogFollower::News news) {
    if (news.chunk) {
        ASB_CHECK(writer_->add(*news.chunk));
        status_.taken = {news.chunk->range.line, news.chunk->range.end};
        status_.bytes += news.chunk->bytes.size();
    }
    if (!news.change) return {};
    if (!writer_->empty()) ASB_CHECK(put_and_confirm());
    ASB_CHECK(await_log());
    ASB_CHECK(writer_->change_line(*news.change));
    context_.log.info("the log went over to line {} at {}", news.change->branch.line,
                      engine_->position_text({news.change->branch.line, news.change->branch.at}));
    return {};
}

bool StreamRun::is_due() const {
    if (writer_->empty()) return false;
    return limits_.synchronous || writer_->plain_bytes() >= limits_.object_bytes ||
           Clock::now() >= writer_->began() + limits_.every;
}

Status StreamRun::put_and_confirm() {
    ASB_CHECK(put());
    for (bool kept = !limits_.synchronous; !kept;) {
        ASB_TRY(kept, mirrors_.wait_for_all(context_.stop, after(kStatusEvery)));
        if (!kept) say_where();
    }
    return confirm();
}

// What has come to be in as many destinations as are required.
Status StreamRun::confirm() {
    const auto kept = mirrors_.kept();
    if (!kept || *kept <= confirmed_) return {};
    if (const int error = fail_point("stream.confirm"))
        return errno_error(error, "cannot confirm", "what is kept", Code::database);
    confirmed_ = *kept;
    return follower_->confirm(confirmed_);
}

// Tries until the store takes it.
Status StreamRun::put() {
    BackOff pause;
    const auto state = status_.state;
    for (;;) {
        auto done = put_once();
        if (done.ok() && status_.state != state) say(state);
        if (done.ok() || went_elsewhere_ || !may_mend(done.error())) return done;
        ASB_CHECK(wait_for_repository(done.error(), pause));
    }
}

Status StreamRun::put_once() {
    ASB_CHECK(check_log_present(*stores_.reader, status_.log_id));
    const auto began = writer_->began();
    ASB_TRY(const auto written, writer_->put());
    auto kept = check_kept(*stores_.reader, status_.log_id, key_of(status_.log_id, written.span));
    if (went_elsewhere_ = !kept.ok(); went_elsewhere_) return kept;
    const auto& published = *writer_->published();
    tail_->end = {published.range.line, published.range.end};
    tail_->branches = published.branches;
    tail_->tail = published.tail;
    ++status_.objects;
    promotions_ = futile_ = 0;
    back_off_.reset();
    away_since_.reset();
    sealer_->add(written);
    mirrors_.add(written, tail_->end, began);
    return {};
}

// Until the log that was followed is there again; nothing to wait for before the first.
Status StreamRun::await_log() {
    BackOff pause;
    const auto state = status_.state;
    while (was_connected_) {
        const auto present = check_log_present(*stores_.reader, status_.log_id);
        if (present.ok()) {
            away_since_.reset();
            break;
        }
        ASB_CHECK(wait_for_repository(present.error(), pause));
    }
    if (status_.state != state) say(state);
    return {};
}

Status StreamRun::wait_for_repository(const Error& error, BackOff& pause) {
    note(error);
    heard_ = false;  // meanwhile the server writes, and is not asked
    context_.log.error("the log cannot be kept: {}; trying again", error.fact);
    say("waiting for the repository");
    if (!away_since_) away_since_ = Clock::now();
    if (Clock::now() >= *away_since_ + kFirstAwayMax) successor_ = mirrors_.complete_one();
    if (successor_) return error;
    return rest(pause.take());
}

// After a stop or a lost connection: what has come is good.
Status StreamRun::put_rest() {
    if (writer_ == nullptr || writer_->empty()) return {};
    ASB_CHECK(put());
    if (follower_ != nullptr) static_cast<void>(confirm());
    return {};
}

// Waits where trying again may help; otherwise the error.
Status StreamRun::lost(const Error& error) {
    if (error.code == Code::interrupted) return error;
    const bool was_streaming = follower_ != nullptr;
    follower_.reset();
    status_.connected_since.reset();
    if (was_streaming && error.code == Code::incomplete) return close_gap(error.fact);
    if (!worth_another_try(error, was_streaming)) return error;
    note(error);
    if (was_streaming) ASB_CHECK(put_rest());
    const auto pause = back_off_.take();
    context_.log.warning("{}; trying again in {}", error.fact, human_duration(pause));
    say(may_mend(error) ? "waiting for the repository" : "waiting for the database");
    return rest(pause);
}

// What was lost while it streamed is asked for again even when the error sounds final: only a new
// connection learns whether there is a gap.
bool StreamRun::worth_another_try(const Error& error, bool was_streaming) {
    if (went_elsewhere_ || successor_) return false;
    if (error.code == Code::busy) {
        if (was_streaming) return false;
        if (!busy_until_) busy_until_ = after(was_connected_ ? kBusyLater : kBusyAtStart);
        return Clock::now() < *busy_until_;
    }
    if (error.retryable || (was_connected_ && may_mend(error))) return true;
    return was_streaming && ++futile_ <= kFutileMax;
}

// Says meanwhile that it lives.
Status StreamRun::rest(milliseconds pause) {
    for (const auto end = after(pause); Clock::now() < end;) {
        ASB_CHECK(context_.stop.wait_until(std::min(end, status_at_)));
        if (Clock::now() >= status_at_) say_where();
    }
    return {};
}

void StreamRun::note(const Error& error) {
    status_.error_at = now();
    status_.error = error.fact;
}

void StreamRun::say(std::string state) {
    status_.state = std::move(state);
    say_where();
}

void StreamRun::say_where() {
    status_at_ = after(kStatusEvery);
    status_.taken_text = engine_->position_text(status_.taken);
    const auto kept = mirrors_.kept();
    status_.durable = kept.value_or(LogPoint{});
    status_.durable_text = kept ? engine_->position_text(*kept) : "not known yet";
    measure_lag();
    status_.others = mirrors_.states();
    status_.required = mirrors_.required();
    status_.merged = sealer_ != nullptr ? sealer_->merged() : 0;
    if (may_say()) status_file_.keep(status_, context_.log);
}

// Of what was told to the server, or may be told: what is in as many destinations as required.
// While it does not stream nobody says what the server writes: then only the moment is known up to
// which nothing was missing, and of the bytes those that were taken.
void StreamRun::measure_lag() {
    const auto at = Clock::now();
    const auto missing = mirrors_.missing();
    const bool held = writer_ != nullptr && !writer_->empty();
    auto bytes = (missing ? missing->bytes : 0) + (held ? writer_->plain_bytes() : 0);
    const bool is_measured =
        follower_ != nullptr && heard_ && missing && status_.state == kStateStreaming;
    auto oldest = caught_up_.value_or(began_);
    if (is_measured) {
        const auto waiting = follower_->lag();
        oldest = at - waiting.time;
        if (held) oldest = std::min(oldest, writer_->began());
        if (missing->since) oldest = std::min(oldest, *missing->since);
        caught_up_ = std::max(caught_up_.value_or(oldest), oldest);
        bytes += waiting.bytes;
    }
    status_.lag_is = is_measured ? kLagMeasured : caught_up_ ? kLagAtMost : kLagUnknown;
    status_.lag_bytes = bytes;
    status_.lag_time = std::chrono::duration_cast<milliseconds>(at - oldest);
}

// Not over a running stream's status, and not in a repository that is away.
bool StreamRun::may_say() const {
    if (claim_ == nullptr) return !status_file_.is_of_another_stream();
    const auto folder = fmt::format("{}/", context_.settings.text("LOG_DIR"));
    if (!folder.starts_with(fmt::format("{}/", stores_.reader->place()))) return true;
    return !was_connected_ || check_log_present(*stores_.reader, status_.log_id).ok();
}

}  // namespace asb
