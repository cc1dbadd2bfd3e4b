#include "store/gcs/service.hpp"

namespace asb::gcs {
namespace {

constexpr int kUnauthorized = 401;

// Date knows whole seconds only: on average the store's clock is half of one further.
constexpr std::chrono::milliseconds kHalfSecond{500};
// Long enough for a slow store, short enough for a person who pressed Ctrl-C.
constexpr std::chrono::milliseconds kTidyingMax{5'000};
constexpr RetryPolicy kTidyingRetry{.tries_max = 3,
                                    .wait_first = std::chrono::milliseconds(200),
                                    .wait_max = std::chrono::milliseconds(500),
                                    .total_max = std::chrono::milliseconds(10'000)};

// `exchange` until its outcome is final, or `tries` are used up.
Result<HttpReply> again_and_again(Tries tries, const std::function<Result<HttpReply>()>& exchange) {
    while (true) {
        auto reply = exchange();
        if (reply.ok() && !is_passing(*reply)) return reply;
        if (!reply.ok() && !reply.error().retryable) return reply;
        const auto waited = reply.ok() ? tries.wait(fail(Code::store, "the tries are used up"),
                                                    retry_after(*reply, now()))
                                       : tries.wait(reply.error());
        if (waited.ok()) continue;
        if (waited.error().code == Code::interrupted) return waited.error();
        return reply;
    }
}

}  // namespace

Service::Service(Options options, const StopToken& stop)
    : place_(std::move(options.place)),
      endpoint_(std::move(options.endpoint)),
      retry_(options.retry),
      stop_(stop),
      http_(std::move(options.http), stop),
      tokens_(std::move(options.credentials), options.retry, stop) {}

void Service::note_time(const HttpReply& reply) {
    if (const auto date = parse_http_date(reply.headers.get("Date")))
        ahead_ = (*date + kHalfSecond - now()).count();
}

Instant Service::store_time() const {
    return now() + std::chrono::milliseconds(ahead_.load());
}

Result<HttpReply> Service::told(Result<HttpReply> reply) const {
    if (reply.ok() || reply.error().code == Code::interrupted || place_.empty()) return reply;
    return reply.error().within("cannot ask " + place_);
}

Result<HttpReply> Service::exchange(HttpRequest& request, const Send& send, bool despite_stop) {
    for (bool is_second = false;; is_second = true) {
        Secret token;
        if (!tokens_.anonymous()) {
            auto current = tokens_.current(send, despite_stop);
            if (!current) return told(std::move(current.error()));
            token = std::move(*current);
            request.headers.set("Authorization", "Bearer " + token.reveal());
        }
        ASB_TRY(auto reply, told(send(request)));
        note_time(reply);
        if (reply.status != kUnauthorized || tokens_.anonymous() || is_second) return reply;
        tokens_.refused(token);
    }
}

Result<HttpReply> Service::send_once(HttpRequest request) {
    return exchange(
        request, [this](const HttpRequest& one) { return http_.send(one); }, false);
}

Result<HttpReply> Service::send(const HttpRequest& request) {
    return again_and_again(tries(), [&] { return send_once(request); });
}

Result<HttpReply> Service::send_despite_stop(const HttpRequest& request) {
    const Send send = [this](const HttpRequest& one) {
        return http_.send_despite_stop(one, kTidyingMax);
    };
    return again_and_again(Tries(kTidyingRetry, StopToken()), [&] {
        HttpRequest copy = request;
        return exchange(copy, send, true);
    });
}

}  // namespace asb::gcs
