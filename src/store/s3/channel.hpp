#pragma once
// Why this exists: between what the client wants and one HTTP exchange stand the signature, the
// region in which the bucket turns out to be, clocks that differ, credentials that expire, and
// tries that are repeated. All of it is here, once for every request.

#include <atomic>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "base/stop.hpp"
#include "net/retry.hpp"
#include "store/s3/call.hpp"
#include "store/s3/location.hpp"
#include "store/s3/sigv4.hpp"

namespace asb::s3 {

// Thread-safe.
class Channel {
  public:
    struct Parts {
        Location location;
        Endpoint endpoint;
        std::string region;
        RetryPolicy retry;
        std::shared_ptr<HttpClient> http;
        std::shared_ptr<CredentialSource> credentials;
    };
    // `log` is borrowed while this lives.
    Channel(Parts parts, Log& log, StopToken stop);

    // The answer that is final: what passes was waited for; a wrong region, a wrong clock and
    // expired credentials were put right, each once. An Error when there was no answer, when the
    // tries ran out, and when a stop was requested.
    Result<Answer> send(const Call& call);
    // What an operator reads about an answer that says no.
    [[nodiscard]] Error error(const Call& call, const Answer& answer) const;
    // `parsed` of a reply to `call`; its error says which call that was.
    template <class T>
    [[nodiscard]] Result<T> read(const Call& call, Result<T> parsed) const {
        if (parsed.ok()) return parsed;
        return error(call, std::move(parsed.error()));
    }

    [[nodiscard]] const Location& location() const { return parts_.location; }
    // By the store's own clock, as its last reply told it.
    [[nodiscard]] Instant store_time() const;

  private:
    struct Attempt;
    Result<HttpReply> exchange(Attempt& attempt);
    bool put_right(Attempt& attempt, const Answer& answer);
    bool move_to(const std::string& region);
    bool take_clock_of(const HttpReply& reply);
    void note_time(const HttpReply& reply);
    Status before_repeat(Attempt& attempt, const Error& error,
                         std::optional<std::chrono::milliseconds> wanted, bool may_be_done);
    [[nodiscard]] Error error(const Call& call, Error unread) const;
    [[nodiscard]] std::string region() const;

    const Parts parts_;
    Log& log_;
    const StopToken stop_;
    Signer signer_;
    // The store's time less ours, in milliseconds: as the last reply had it, and what signatures
    // are made with (0 until the store refused our own clock).
    std::atomic<std::int64_t> store_ahead_ms_{0};
    std::atomic<std::int64_t> signed_ahead_ms_{0};
    mutable Mutex mutex_;
    std::string region_ ASB_GUARDED_BY(mutex_);
    mutable std::string credentials_from_ ASB_GUARDED_BY(mutex_);
};

}  // namespace asb::s3
