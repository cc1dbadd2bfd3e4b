#pragma once
// Why this exists: each request to Google Cloud Storage carries a token, is sent again when the
// reason passes, and fails with what the service said and what to do about it; one place for that.

#include <atomic>
#include <string>
#include <string_view>

#include "net/http.hpp"
#include "net/retry.hpp"
#include "store/gcs/tokens.hpp"

namespace asb::gcs {

// What was tried, as an error tells it.
struct Step {
    std::string_view action;      // "cannot write"
    std::string place;            // "gs://bucket/prefix/name"
    std::string_view permission;  // of IAM: "storage.objects.create"
};

// The Error for a reply that is none of those that the step can go on with: `refused` for a lock,
// `space` for a quota, else `store`.
Error error_of(const HttpReply& reply, const Step& step);
// Whether the store keeps the object because of a retention policy, a hold or a lock.
bool is_kept(const HttpReply& reply);
// Whether a 404 is about the bucket, as far as the reply says.
bool is_missing_bucket(const HttpReply& reply);
// Whether another try may go better: net/retry.hpp's, and a 403 that means "slower".
bool is_passing(const HttpReply& reply);

// Thread-safe.
class Service {
  public:
    struct Options {
        std::string place = {};  // "gs://bucket/prefix", for errors of exchanges without a reply
        std::string endpoint;    // "https://storage.googleapis.com"
        Credentials credentials;
        HttpClient::Options http;
        RetryPolicy retry;
    };
    Service(Options options, const StopToken& stop);

    // With a token; a 401 gets one more try with a new one. Any status is a reply.
    Result<HttpReply> send_once(HttpRequest request);
    // The same, again and again while the reason may pass: for what may be done twice. The last
    // reply when the tries are used up.
    Result<HttpReply> send(const HttpRequest& request);
    // For tidying up: a few tries within seconds, although a stop was requested.
    Result<HttpReply> send_despite_stop(const HttpRequest& request);

    [[nodiscard]] Tries tries() const { return {retry_, stop_}; }
    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
    [[nodiscard]] bool anonymous() const { return tokens_.anonymous(); }
    // By the Date of the last reply; now() before there was one.
    [[nodiscard]] Instant store_time() const;

  private:
    Result<HttpReply> exchange(HttpRequest& request, const Send& send, bool despite_stop);
    // The reply; an Error that tells which bucket it is about.
    [[nodiscard]] Result<HttpReply> told(Result<HttpReply> reply) const;
    void note_time(const HttpReply& reply);

    const std::string place_;
    const std::string endpoint_;
    const RetryPolicy retry_;
    const StopToken stop_;
    HttpClient http_;
    Tokens tokens_;
    // The store's clock minus ours, in milliseconds.
    std::atomic<std::int64_t> ahead_ = 0;
};

}  // namespace asb::gcs
