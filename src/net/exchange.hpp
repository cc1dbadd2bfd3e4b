#pragma once
// Why this exists: one request and its reply, from the first byte to the last, with every way it
// may end: done, refused, too late, too large, stopped.

#include <array>
#include <optional>
#include <string>

#include "net/bandwidth.hpp"
#include "net/handles.hpp"
#include "net/http.hpp"

namespace asb {

// What outlives the exchange, borrowed for it.
struct ExchangeContext {
    const HttpClient::Options& options;
    const StopToken& stop;
    BandwidthLimit& sending;
    BandwidthLimit& receiving;
    Deadline end = Deadline::max();  // the reply must be there by then
    bool was_reached = false;        // the server has answered this client before
};

// Used once, by one thread. `easy` and `multi` are borrowed, and afterwards as good as new but for
// the connection that `multi` keeps.
class Exchange {
  public:
    // `url` is request.url, read.
    Exchange(const HttpRequest& request, const HttpUrl& url, const ExchangeContext& context,
             CURL* easy, CURLM* multi);
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    Result<HttpReply> run();

  private:
    enum class Phase { connecting, sending, awaiting, receiving };

    template <typename Value>
    void set(CURLoption option, Value value);
    Status configure();
    Status configure_headers();
    void configure_method();
    void configure_trust();
    void configure_callbacks();
    void configure_pace();

    Status drive();
    Status hold();
    [[nodiscard]] Status poll() const;
    Status finish();
    Error failure(CURLcode code);
    void note_sent();
    [[nodiscard]] Phase phase() const;
    [[nodiscard]] std::optional<Deadline> phase_end() const;
    [[nodiscard]] std::chrono::milliseconds first_byte_max() const;
    [[nodiscard]] Status in_time() const;
    [[nodiscard]] bool must_rest();
    void owe(Deadline paid);

    // What libcurl calls; `self` is the Exchange.
    static int on_connected(void* self, char*, char*, int, int);
    static std::size_t on_body_wanted(char* to, std::size_t size, std::size_t count, void* self);
    static int on_seek(void* self, curl_off_t offset, int origin);
    static std::size_t on_header(char* from, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* from, std::size_t size, std::size_t count, void* self);
    void take_header(std::string_view line);
    bool take_body(Bytes bytes);

    const HttpRequest& request_;
    const ExchangeContext& context_;
    const std::string server_;  // "host:port", for messages
    const bool is_near_;        // on this machine or this link: without a proxy
    CURL* const easy_;
    CURLM* const multi_;
    std::array<char, CURL_ERROR_SIZE> detail_{};
    CurlSlist headers_;
    CURLcode refused_option_ = CURLE_OK;

    HttpReply reply_;
    std::size_t header_bytes_ = 0;
    std::size_t handed_over_ = 0;  // bytes of the request's body that libcurl has
    curl_off_t sent_ = 0;          // those that it has sent
    bool connected_ = false;
    bool heard_ = false;           // at least one byte of the reply
    Deadline moved_;               // when the last byte went in either direction
    Deadline paid_;                // until when the bandwidth limit lets this exchange rest
    bool paused_ = false;          // libcurl waits to be told that the rest is over
    std::optional<Error> broken_;  // why a callback made libcurl give up
};

}  // namespace asb
