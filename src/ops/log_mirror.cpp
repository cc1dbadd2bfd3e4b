#include "ops/log_mirror.hpp"

#include <algorithm>
#include <vector>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/log_presence.hpp"
#include "ops/stream_claim.hpp"
#include "repo/copy.hpp"
#include "repo/log_coverage.hpp"
#include "repo/log_record.hpp"

namespace asb {
namespace {

// How long the thread sleeps at most: the sealer is asked in between.
constexpr std::chrono::milliseconds kIdle{1'000};

OpsContext with_stop_of_its_own(const OpsContext& context) {
    auto own = context;
    own.stop = StopToken();
    return own;
}

}  // namespace

LogMirror::LogMirror(const OpsContext& context, Place place, MirroredLog log, Signal& signal)
    : context_(with_stop_of_its_own(context)),
      place_(std::move(place)),
      log_(std::move(log)),
      signal_(signal) {
    state_.place = place_.location;
    thread_ = std::jthread([this] { run(); });
}

LogMirror::~LogMirror() {
    context_.stop.request();
    {
        const std::scoped_lock lock(signal_.mutex);
        pieces_.clear();
    }
    signal_.changed.notify_all();
    thread_.join();
}

void LogMirror::add(const WrittenObject& object, std::uint64_t number) {
    {
        const std::scoped_lock lock(signal_.mutex);
        newest_ = number;
        // One that does not keep up lists what it lacks.
        if (collects_) pieces_.push_back({object, number});
    }
    signal_.changed.notify_all();
}

void LogMirror::run() {
    for (;;) {
        const auto ended = keep_up();
        if (context_.stop.requested()) return;
        note(ended.error());
        if (!context_.stop.wait_until(after(pause_.take())).ok()) return;
    }
}

// Ends with an error only.
Status LogMirror::keep_up() {
    if (!stores_) ASB_CHECK(open());
    for (;;) {
        ASB_CHECK(check_log_present(*stores_->reader, log_.log.log_id));
        sealer_.reset();
        const auto newest = forget_pieces();
        ASB_CHECK(bring_missing());
        sealer_ = std::make_unique<StreamSealer>(
            StreamSealer::Stores{*stores_->reader, *stores_->appender, *stores_->eraser}, log_.log,
            log_.seal_objects, context_.log);
        ASB_CHECK(sealer_->load());
        pause_.reset();
        reach(newest);
        ASB_CHECK(bring_as_they_come());
    }
}

// The backup that the log goes on from must be there: what has none may be a folder that is not
// mounted, and a log alone restores nothing.
Status LogMirror::open() {
    ASB_TRY(auto stores, open_stores(context_, place_));
    {
        const std::scoped_lock lock(signal_.mutex);
        state_.place = stores.reader->place();
    }
    ASB_TRY(auto claim, claim_log(stores, log_.tail, context_.log));
    const auto record = log_record_key(log_.log.log_id);
    ASB_TRY([[maybe_unused]] const auto copied,
            copy_object(log_.first, *stores.appender, record, {.stop = context_.stop}));
    ASB_TRY(const auto wanted, log_.first.get(record, kLogRecordBytesMax));
    ASB_TRY(const auto found, stores.reader->get(record, kLogRecordBytesMax));
    if (wanted != found)
        return with_hint(fail(Code::refused, "{} has another {} than {}, and so another key of it",
                              stores.reader->place(), record.text(), log_.first.place()),
                         "a full backup begins a new log, which then goes to both");
    stores_ = std::move(stores);
    claim_ = std::move(claim);
    return {};
}

// Until a look finds nothing missing.
Status LogMirror::bring_missing() {
    for (bool whole = false; !whole;) {
        ASB_TRY(const auto missing,
                find_missing_log(log_.first, *stores_->reader, log_.log.log_id));
        whole = true;
        for (const auto& key : missing) {
            ASB_TRY(const bool brought, bring(key));
            whole = whole && brought;
        }
    }
    return {};
}

// Ends without an error when what is missing must be looked for anew.
Status LogMirror::bring_as_they_come() {
    for (;;) {
        const auto piece = next_piece();
        ASB_CHECK(context_.stop.check());
        sealer_->poll();
        if (!piece) continue;
        const auto& log_id = log_.log.log_id;
        ASB_CHECK(check_log_present(*stores_->reader, log_id));
        ASB_CHECK(bring_line(piece->object.span.line));
        const auto key = key_of(log_id, piece->object.span);
        ASB_TRY(const bool brought, bring(key));
        if (!brought) return {};
        ASB_CHECK(check_kept(*stores_->reader, log_id, key));
        sealer_->add(piece->object);
        reach(piece->number);
    }
}

// False when the first destination does not have it any more: merged into a larger one.
Result<bool> LogMirror::bring(const ObjectKey& key) {
    if (const int error = fail_point("log.mirror"))
        return errno_error(error, "cannot write", key.text(), Code::store);
    const auto copied = copy_object(log_.first, *stores_->appender, key, {.stop = context_.stop});
    if (copied) return true;
    if (copied.error().code == Code::not_found) return false;
    return copied.error();
}

// A line that came from another has a history; the first one has none.
Status LogMirror::bring_line(std::uint32_t line) {
    if (line == line_) return {};
    ASB_TRY([[maybe_unused]] const bool has_one, bring(log_history_key(log_.log.log_id, line)));
    line_ = line;
    return {};
}

// What is missing is looked for instead. Gives the number of the newest.
std::uint64_t LogMirror::forget_pieces() {
    const std::scoped_lock lock(signal_.mutex);
    pieces_.clear();
    collects_ = true;
    return newest_;
}

std::optional<LogMirror::Piece> LogMirror::next_piece() {
    std::unique_lock lock(signal_.mutex);
    signal_.changed.wait_for(lock, kIdle,
                             [&] { return context_.stop.requested() || !pieces_.empty(); });
    if (pieces_.empty()) return std::nullopt;
    const auto piece = pieces_.front();
    pieces_.pop_front();
    return piece;
}

void LogMirror::reach(std::uint64_t number) {
    {
        const std::scoped_lock lock(signal_.mutex);
        if (!state_.keeps_up) context_.log.info("the log is kept in {} too", state_.place);
        state_.keeps_up = true;
        state_.reached = number;
        state_.problem.clear();
    }
    signal_.changed.notify_all();
}

void LogMirror::note(const Error& error) {
    const std::scoped_lock lock(signal_.mutex);
    state_.keeps_up = collects_ = false;
    pieces_.clear();
    if (state_.problem != error.fact)
        context_.log.error("the log is not kept in {}: {}; trying again", state_.place, error.fact);
    state_.problem = error.fact;
}

}  // namespace asb
