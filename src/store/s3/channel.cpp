#include "store/s3/channel.hpp"

#include <utility>

#include "base/text.hpp"
#include "store/s3/faults.hpp"

namespace asb::s3 {
namespace {

// Tidying up after a stop: long enough for a busy store, short enough for a person who waits.
constexpr std::chrono::milliseconds kTidyExchangeMax{5'000};
constexpr RetryPolicy kTidyRetry = {.tries_max = 3,
                                    .wait_first = std::chrono::milliseconds(100),
                                    .wait_max = std::chrono::milliseconds(1'000),
                                    .total_max = std::chrono::milliseconds(10'000)};
// What is changed on its way three times is changed on purpose, or by us.
constexpr int kBadTransfersMax = 3;

std::chrono::milliseconds difference(Instant theirs) {
    return theirs - now();
}

}  // namespace

// One call with all its tries.
struct Channel::Attempt {
    Attempt(const Call& wanted, const RetryPolicy& policy, const StopToken& stop)
        : call(wanted),
          digest(wanted.body_digest ? *wanted.body_digest : sha256(wanted.body)),
          tries(wanted.despite_stop ? kTidyRetry : policy,
                wanted.despite_stop ? StopToken() : stop) {}

    const Call& call;
    const Digest digest;
    Tries tries;
    Credentials credentials;
    int bad_transfers = 0;
    bool moved = false;      // to another region
    bool refreshed = false;  // its credentials
    bool reclocked = false;
    // A HEAD that is refused says not why: the same is asked once with GET, for the reason.
    bool wants_reason = false;
    bool asked_reason = false;
    bool is_done = false;
};

Channel::Channel(Parts parts, Log& log, StopToken stop)
    : parts_(std::move(parts)), log_(log), stop_(std::move(stop)), region_(parts_.region) {}

std::string Channel::region() const {
    const UniqueLock lock(mutex_);
    return region_;
}

Instant Channel::store_time() const {
    return now() + std::chrono::milliseconds(store_ahead_ms_.load());
}

void Channel::note_time(const HttpReply& reply) {
    if (const auto date = parse_http_date(reply.headers.get("date")))
        store_ahead_ms_ = difference(*date).count();
}

Result<HttpReply> Channel::exchange(Attempt& attempt) {
    const Call& call = attempt.call;
    ASB_TRY(attempt.credentials, parts_.credentials->get());
    HttpRequest request{.method = call.method,
                        .url = parts_.endpoint.url(region(), call.key, call.query),
                        .headers = call.headers,
                        .body = call.body,
                        .into = call.into,
                        .reply_bytes_max = call.reply_bytes_max};
    if (attempt.wants_reason) {
        request.method = "GET";
        request.headers.set("range", "bytes=0-0");
    }
    const auto time = now() + std::chrono::milliseconds(signed_ahead_ms_.load());
    ASB_CHECK(
        signer_.sign(request, attempt.digest, {.region = region()}, attempt.credentials, time));
    {
        const UniqueLock lock(mutex_);
        credentials_from_ = attempt.credentials.source;
    }
    auto reply = call.despite_stop ? parts_.http->send_despite_stop(request, kTidyExchangeMax)
                                   : parts_.http->send(request);
    if (reply) note_time(*reply);
    return reply;
}

bool Channel::move_to(const std::string& region) {
    const UniqueLock lock(mutex_);
    if (region_ == region) return false;
    log_.warning(
        "the bucket {} is in the region {}, not in {}: requests go there from now on; set "
        "AWS_REGION={}",
        parts_.location.bucket, region, region_, region);
    region_ = region;
    return true;
}

bool Channel::take_clock_of(const HttpReply& reply) {
    const auto date = parse_http_date(reply.headers.get("date"));
    if (!date) return false;
    const auto ahead = difference(*date);
    log_.warning(
        "this machine's clock is {} {} that of {}: requests are signed by the store's "
        "clock; set this machine's",
        human_duration(std::chrono::abs(ahead)), ahead.count() > 0 ? "behind" : "ahead of",
        parts_.endpoint.name());
    signed_ahead_ms_ = ahead.count();
    return true;
}

// Whether something was changed so that the same call may be taken now. Each only once a call; a
// HEAD that is refused even then is asked once more why.
bool Channel::put_right(Attempt& attempt, const Answer& answer) {
    const bool is_refused = answer.reply.status == 400 || answer.reply.status == 403;
    if (std::exchange(attempt.wants_reason, false)) {
        if (!is_refused) return true;  // it passed meanwhile: the HEAD is asked again
    } else if (attempt.call.method == "HEAD" && is_refused && region_told(answer).empty() &&
               !std::exchange(attempt.asked_reason, true)) {
        attempt.wants_reason = true;
        return true;
    }
    if (is_skewed(answer) && !std::exchange(attempt.reclocked, true)) {
        attempt.asked_reason = false;
        return take_clock_of(answer.reply);
    }
    if (is_expired(answer) && !std::exchange(attempt.refreshed, true)) {
        attempt.asked_reason = false;
        parts_.credentials->drop(attempt.credentials);
        return true;
    }
    const auto region = region_told(answer);
    if (!region.empty() && region != this->region() && !std::exchange(attempt.moved, true))
        return move_to(region);
    return false;
}

Status Channel::before_repeat(Attempt& attempt, const Error& error,
                              std::optional<std::chrono::milliseconds> wanted, bool may_be_done) {
    ASB_CHECK(attempt.tries.wait(error, wanted));
    if (may_be_done && attempt.call.is_done) {
        ASB_TRY(attempt.is_done, attempt.call.is_done());
    }
    return {};
}

Result<Answer> Channel::send(const Call& call) {
    Attempt attempt(call, parts_.retry, stop_);
    while (!attempt.is_done) {
        auto reply = exchange(attempt);
        if (!reply) {
            auto lost = error(call, std::move(reply.error()));
            if (!lost.retryable) return lost;
            ASB_CHECK(before_repeat(attempt, lost, std::nullopt, true));
            continue;
        }
        auto answer = answer_of(call, std::move(*reply));
        if ((!answer.ok() || attempt.wants_reason) && put_right(attempt, answer)) continue;
        const bool again = is_passing(answer) ||
                           (is_bad_transfer(answer) && ++attempt.bad_transfers < kBadTransfersMax);
        if (is_foreign(call, answer)) return error(call, answer);
        if (!again) return answer;
        ASB_CHECK(before_repeat(attempt, error(call, answer), retry_after(answer.reply, now()),
                                may_be_done(answer)));
    }
    Answer done;
    done.reply.status = 200;
    return done;
}

Error Channel::error(const Call& call, const Answer& answer) const {
    const UniqueLock lock(mutex_);
    return error_of(
        {.location = parts_.location, .call = call, .credentials_from = credentials_from_}, answer);
}

Error Channel::error(const Call& call, Error unread) const {
    return error_of({.location = parts_.location, .call = call, .credentials_from = {}},
                    std::move(unread));
}

}  // namespace asb::s3
