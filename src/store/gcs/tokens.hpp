#pragma once
// Why this exists: Google takes an access token that lives for an hour at most; one is got from
// whatever credentials there are, shared by all requests, and replaced before it ends.

#include <chrono>
#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "base/thread_annotations.hpp"
#include "net/http.hpp"
#include "net/retry.hpp"
#include "store/gcs/credentials.hpp"
#include "store/gcs/reply.hpp"

namespace asb::gcs {

// One exchange of a request for a token: HttpClient::send, or the same despite a stop.
using Send = std::function<Result<HttpReply>(const HttpRequest&)>;

HttpRequest make_request(std::string method, std::string url);

// Asks for a token with `credentials` (not Anonymous): one try. `retryable` is set when a later one
// may go better. Errors name the endpoint and what it said; never what was sent.
Result<TokenReply> fetch_token(const Credentials& credentials, const Send& send);

// | call             | threads                                        |
// | current, refused | any; while one asks for a token, the others wait |
class Tokens {
  public:
    Tokens(Credentials credentials, RetryPolicy retry, StopToken stop);

    [[nodiscard]] bool anonymous() const;
    // The token to send; a new one when there is none or it ends soon. When no new one can be had,
    // the old one as long as it lives. `despite_stop`: one try.
    Result<Secret> current(const Send& send, bool despite_stop = false) ASB_EXCLUDES(mutex_);
    // The service did not take `token`: it is not given again.
    void refused(const Secret& token) ASB_EXCLUDES(mutex_);
    // Whose token it is, for people.
    [[nodiscard]] std::string owner() const { return describe(credentials_); }

  private:
    struct Kept {
        Secret token;
        Deadline renew;
        Deadline end;
    };
    Result<TokenReply> fetch(const Send& send, bool despite_stop);

    const Credentials credentials_;
    const RetryPolicy retry_;
    const StopToken stop_;
    Mutex mutex_;
    std::optional<Kept> kept_ ASB_GUARDED_BY(mutex_);
};

}  // namespace asb::gcs
