#pragma once
// Why this exists: one way to speak HTTP. One exchange in, one reply or one Error out; who asks
// decides what a status means and whether to ask again (net/retry.hpp). Built on libcurl:
// connections are used again, HTTP/2 where a server offers it, TLS 1.2 or newer with the server's
// certificate and name always checked.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"

namespace asb {

// In order of arrival; names are compared without regard to case.
class HttpHeaders {
  public:
    void add(std::string name, std::string value);
    // Replaces all of that name.
    void set(std::string name, std::string value);
    // The first of that name; empty when there is none.
    [[nodiscard]] std::string_view get(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const {
        return all_;
    }

  private:
    std::vector<std::pair<std::string, std::string>> all_;
};

struct HttpRequest {
    std::string method = "GET";
    std::string url = {};  // absolute, already percent-encoded; never holds a secret
    HttpHeaders headers = {};
    Bytes body = {};  // borrowed for the call; sent with Content-Length
    // Where the body of a 2xx reply goes when this is not empty; more bytes than that are an error,
    // fewer are counted in HttpReply::received. Otherwise, and for other statuses, HttpReply::body.
    MutableBytes into = {};
    std::size_t reply_bytes_max = 16 * kMiB;  // of HttpReply::body
    // From the end of the request to the first byte of the reply.
    std::chrono::milliseconds first_byte_max{60'000};
};

struct HttpReply {
    int status = 0;
    HttpHeaders headers;
    std::string body;
    std::uint64_t received = 0;  // bytes of the body, wherever they went
};

// Thread-safe: each exchange borrows a connection of its own, and gives it back.
class HttpClient {
  public:
    struct Options {
        // Trusted besides nothing else: a PEM file instead of the system's authorities. Empty: the
        // system's.
        std::string ca_file = {};
        // "http://host:port"; empty: http_proxy, https_proxy and no_proxy of the environment, as
        // curl does. What is on this machine or this link (127.x, 169.254.x), and a cloud's
        // metadata service by its name, is asked without.
        std::string proxy = {};
        std::chrono::milliseconds connect_max{10'000};
        // Without a single byte in either direction.
        std::chrono::milliseconds stall_max{30'000};
        // No request's first_byte_max is longer than this.
        std::chrono::milliseconds first_byte_max{60'000};
        std::uint64_t send_bytes_per_second = 0;     // of all exchanges together; 0: no limit
        std::uint64_t receive_bytes_per_second = 0;  // the same
    };
    // `stop` ends whatever is under way at once, with `interrupted`.
    HttpClient(Options options, StopToken stop);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Any status is a reply. An Error (code `store`) means that there was none, or not the whole of
    // it: the server may have done what was asked all the same. `retryable` is set when a later try
    // may go better (refused, reset, stalled, cut short), and not for what will be the same again
    // (a certificate that does not verify, a name that never had an address, a URL that is none:
    // `usage`). Its fact
    // names host and port; never a header, a query or a body.
    Result<HttpReply> send(const HttpRequest& request);
    // The same, for what must be tidied up although a stop was requested: it ignores the stop and
    // gives up after `max`.
    Result<HttpReply> send_despite_stop(const HttpRequest& request, std::chrono::milliseconds max);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ becomes %XX (upper-case hex); with `keep_slash` also
// '/' stays.
std::string percent_encode(std::string_view text, bool keep_slash = false);

// The parts of an http:// or https:// URL; `usage` for anything else, for a user or password in
// it, and for a fragment.
struct HttpUrl {
    std::string scheme;  // "http" or "https"
    std::string host;    // lower case; an IPv6 address in brackets
    std::string port;    // digits; empty: the scheme's own
    std::string path;    // from the first '/' on, without the query; may be empty
    std::string query;   // without '?'

    // "host:port" as it stands in the Host header: without the scheme's own port.
    [[nodiscard]] std::string authority() const;
    // "https://host:port"
    [[nodiscard]] std::string origin() const;
    // Whether it is this machine's: localhost, 127.x, [::1].
    [[nodiscard]] bool is_loopback() const;
};
Result<HttpUrl> parse_http_url(std::string_view text);

// An HTTP date (RFC 9110, 5.6.7), as in Date and Retry-After; nullopt for anything else.
std::optional<Instant> parse_http_date(std::string_view text);

}  // namespace asb
