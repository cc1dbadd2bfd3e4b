#include "net/exchange.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "net/curl_error.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// All headers of a reply; S3 and Google Cloud Storage send less than 16 KiB.
constexpr std::size_t kHeaderBytesMax = 256 * kKiB;
// For libcurl's copy of what is sent and received: 256 KiB is a system call for each TCP window of
// a fast line. With a bandwidth limit libcurl's defaults, so that it is obeyed evenly.
constexpr long kBufferBytes = 256 * kKiB;
constexpr long kLimitedBufferBytes = 16 * kKiB;
// How long a poll may last when libcurl itself has nothing to do earlier.
constexpr milliseconds kPollMax{1'000};

std::string server_name(const HttpUrl& url) {
    const std::string own = url.scheme == "https" ? "443" : "80";
    return fmt::format("{}:{}", url.host, url.port.empty() ? own : url.port);
}

// On this machine, or answered by it: what a proxy said there would be about the proxy's machine,
// and it would see the credentials that are asked for. The names and addresses are those of the
// metadata services of Amazon ("Use the Instance Metadata Service", "Task metadata endpoint",
// "EKS Pod Identity") and of Google ("About VM metadata").
bool is_near(const HttpUrl& url) {
    constexpr std::array<std::string_view, 5> kMetadata = {
        "metadata.google.internal", "metadata.google.internal.", "[fd00:ec2::254]",
        "[fd00:ec2::23]", "[fd20:ce::254]"};
    return url.is_loopback() || url.host.starts_with("169.254.") ||
           std::find(kMetadata.begin(), kMetadata.end(), url.host) != kMetadata.end();
}

bool has_body(const HttpRequest& request) {
    return !request.body.empty() || request.method == "PUT" || request.method == "POST";
}

bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

bool is_one_line(std::string_view text) {
    constexpr std::string_view kBreaks("\r\n\0", 3);
    return text.find_first_of(kBreaks) == std::string_view::npos;
}

void append(CurlSlist& list, const std::string& line) {
    auto* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
}

bool is_success(int status) {
    return status >= 200 && status < 300;
}

}  // namespace

Exchange::Exchange(const HttpRequest& request, const HttpUrl& url, const ExchangeContext& context,
                   CURL* easy, CURLM* multi)
    : request_(request),
      context_(context),
      server_(server_name(url)),
      is_near_(is_near(url)),
      easy_(easy),
      multi_(multi),
      moved_(steady_clock::now()),
      paid_(moved_) {}

Exchange::~Exchange() {
    curl_multi_remove_handle(multi_, easy_);
    curl_easy_reset(easy_);
}

Result<HttpReply> Exchange::run() {
    ASB_CHECK(context_.stop.check());
    ASB_CHECK(configure());
    if (curl_multi_add_handle(multi_, easy_) != CURLM_OK)
        return fail(Code::failed, "cannot begin an exchange with {}", server_);
    ASB_CHECK(drive());
    return std::move(reply_);
}

// ---- what libcurl is told

template <typename Value>
void Exchange::set(CURLoption option, Value value) {
    const auto code = curl_easy_setopt(easy_, option, value);
    if (refused_option_ == CURLE_OK) refused_option_ = code;
}

Status Exchange::configure() {
    if (!is_token(request_.method))
        return fail(Code::usage, "'{}' is no method of HTTP", printable(request_.method));
    set(CURLOPT_URL, request_.url.c_str());
    // As it was signed: "a/../b" is a name like any other to an object store.
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(CURLOPT_NOSIGNAL, 1L);
    // Do not wait for a name that is still being looked up when the exchange ends before.
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(context_.options.connect_max.count()));
    set(CURLOPT_USERAGENT, "auth-service-backup");
    set(CURLOPT_ERRORBUFFER, detail_.data());
    configure_method();
    configure_trust();
    configure_callbacks();
    configure_pace();
    ASB_CHECK(configure_headers());
    if (refused_option_ != CURLE_OK)
        return fail(Code::failed, "libcurl cannot do what an exchange with {} needs: {}", server_,
                    curl_easy_strerror(refused_option_));
    return {};
}

void Exchange::configure_method() {
    if (request_.method == "HEAD") return set(CURLOPT_NOBODY, 1L);
    set(CURLOPT_HTTPGET, 1L);
    if (has_body(request_)) {
        set(CURLOPT_UPLOAD, 1L);
        set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    }
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void Exchange::configure_trust() {
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    const auto& options = context_.options;
    if (!options.ca_file.empty()) {
        set(CURLOPT_CAINFO, options.ca_file.c_str());
        set(CURLOPT_PROXY_CAINFO, options.ca_file.c_str());
        // Else the system's folder of authorities is trusted besides.
        set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
        set(CURLOPT_PROXY_CAPATH, static_cast<const char*>(nullptr));
    }
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (is_near_) return set(CURLOPT_PROXY, "");
    if (!options.proxy.empty()) set(CURLOPT_PROXY, options.proxy.c_str());
}

void Exchange::configure_callbacks() {
    set(CURLOPT_PREREQFUNCTION, &Exchange::on_connected);
    set(CURLOPT_PREREQDATA, this);
    set(CURLOPT_READFUNCTION, &Exchange::on_body_wanted);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &Exchange::on_seek);
    set(CURLOPT_SEEKDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    set(CURLOPT_WRITEDATA, this);
}

void Exchange::configure_pace() {
    set(CURLOPT_BUFFERSIZE, context_.receiving.is_set() ? kLimitedBufferBytes : kBufferBytes);
    set(CURLOPT_UPLOAD_BUFFERSIZE, context_.sending.is_set() ? kLimitedBufferBytes : kBufferBytes);
}

Status Exchange::configure_headers() {
    append(headers_, "Expect:");  // not asked whether it may send: one round trip less
    for (const auto& [name, value] : request_.headers.all()) {
        if (!is_token(name) || !is_one_line(value))
            return fail(Code::usage, "a header for {} has a bad name, or more than one line",
                        server_);
        // "Name;" is how libcurl is told of an empty value; "Name:" would leave the header out.
        append(headers_,
               value.empty() ? fmt::format("{};", name) : fmt::format("{}: {}", name, value));
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
    return {};
}

// ---- the run

Status Exchange::drive() {
    while (true) {
        ASB_CHECK(hold());
        int running = 0;
        if (curl_multi_perform(multi_, &running) != CURLM_OK)
            return fail(Code::failed, "cannot go on with an exchange with {}", server_);
        if (running == 0) return finish();
        note_sent();
        ASB_CHECK(in_time());
        ASB_CHECK(poll());
    }
}

// What moved more bytes than are paid for is left alone until they are.
Status Exchange::hold() {
    if (paid_ > steady_clock::now()) {
        ASB_CHECK(context_.stop.wait_until(std::min(paid_, context_.end)));
        moved_ = steady_clock::now();  // a rest of our own is no stall of the server's
    }
    if (!std::exchange(paused_, false)) return {};
    const auto code = curl_easy_pause(easy_, CURLPAUSE_CONT);
    if (code != CURLE_OK) return failure(code);
    return {};
}

Status Exchange::poll() const {
    if (paid_ > steady_clock::now()) return {};
    const auto until = std::min(phase_end().value_or(Deadline::max()), context_.end);
    const auto left = until == Deadline::max()
                          ? kPollMax
                          : std::chrono::ceil<milliseconds>(until - steady_clock::now());
    const auto wait = std::clamp(left, milliseconds(0), kPollMax);
    curl_waitfd stop{.fd = context_.stop.poll_fd(), .events = CURL_WAIT_POLLIN, .revents = 0};
    if (curl_multi_poll(multi_, &stop, 1, static_cast<int>(wait.count()), nullptr) != CURLM_OK)
        return fail(Code::failed, "cannot wait for {}", server_);
    return {};
}

Status Exchange::finish() {
    int left = 0;
    const auto* message = curl_multi_info_read(multi_, &left);
    ASB_ASSERT(message != nullptr && message->msg == CURLMSG_DONE);
    const auto code = message->data.result;
    if (code == CURLE_OK) return {};
    return failure(code);
}

Error Exchange::failure(CURLcode code) {
    if (broken_) return std::move(*broken_);
    return explain({.code = code,
                    .easy = easy_,
                    .server = server_,
                    .detail = detail_.data(),
                    .ca_file = context_.options.ca_file,
                    .was_reached = context_.was_reached});
}

void Exchange::note_sent() {
    curl_off_t sent = 0;
    curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (sent == sent_) return;
    sent_ = sent;
    moved_ = steady_clock::now();
}

Exchange::Phase Exchange::phase() const {
    if (!connected_) return Phase::connecting;
    if (heard_) return Phase::receiving;
    return static_cast<std::size_t>(sent_) < request_.body.size() ? Phase::sending
                                                                  : Phase::awaiting;
}

milliseconds Exchange::first_byte_max() const {
    return std::min(request_.first_byte_max, context_.options.first_byte_max);
}

// nullopt: libcurl itself sees to it.
std::optional<Deadline> Exchange::phase_end() const {
    switch (phase()) {
        case Phase::connecting:
            return std::nullopt;
        case Phase::awaiting:
            return moved_ + first_byte_max();
        default:
            return moved_ + context_.options.stall_max;
    }
}

Status Exchange::in_time() const {
    ASB_CHECK(context_.stop.check());
    const auto now = steady_clock::now();
    constexpr auto kHint = "look into the server's log, and at what is between it and this machine";
    if (now >= context_.end)
        return passing(with_hint(
            fail(Code::store, "{} did not answer in the time that was left", server_), kHint));
    const auto end = phase_end();
    if (!end || now < *end || paid_ > now) return {};
    if (phase() == Phase::awaiting)
        return passing(with_hint(fail(Code::store, "{} did not answer within {}", server_,
                                      human_duration(first_byte_max())),
                                 kHint));
    return passing(with_hint(fail(Code::store, "{} stalled: no byte for {} in the middle of {}",
                                  server_, human_duration(context_.options.stall_max),
                                  phase() == Phase::sending ? "the request" : "the reply"),
                             kHint));
}

// ---- what libcurl calls

// One call of libcurl may move all that a socket holds: in the middle of it, it is told to pause.
bool Exchange::must_rest() {
    if (paid_ <= steady_clock::now()) return false;
    paused_ = true;
    return true;
}

void Exchange::owe(Deadline paid) {
    paid_ = std::max(paid_, paid);
}

// Also when a connection is used again, and when libcurl begins anew because that one was dead.
int Exchange::on_connected(void* self, char*, char*, int, int) {
    auto& exchange = *static_cast<Exchange*>(self);
    exchange.connected_ = true;
    exchange.moved_ = steady_clock::now();
    return CURL_PREREQFUNC_OK;
}

std::size_t Exchange::on_body_wanted(char* to, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (exchange.must_rest()) return CURL_READFUNC_PAUSE;
    const auto rest = exchange.request_.body.subspan(exchange.handed_over_);
    const auto bytes = std::min(size * count, rest.size());
    if (bytes != 0) std::memcpy(to, rest.data(), bytes);
    exchange.handed_over_ += bytes;
    exchange.owe(exchange.context_.sending.pay(bytes));
    return bytes;
}

int Exchange::on_seek(void* self, curl_off_t offset, int origin) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (origin != SEEK_SET || offset < 0 ||
        static_cast<std::size_t>(offset) > exchange.request_.body.size())
        return CURL_SEEKFUNC_FAIL;
    exchange.handed_over_ = static_cast<std::size_t>(offset);
    return CURL_SEEKFUNC_OK;
}

std::size_t Exchange::on_header(char* from, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    const auto bytes = size * count;
    exchange.heard_ = true;
    exchange.moved_ = steady_clock::now();
    exchange.header_bytes_ += bytes;
    if (exchange.header_bytes_ > kHeaderBytesMax) {
        exchange.broken_ = fail(Code::store, "{} sent more than {} of headers", exchange.server_,
                                human_bytes(kHeaderBytesMax));
        return 0;
    }
    exchange.take_header({from, bytes});
    return bytes;
}

std::size_t Exchange::on_body(char* from, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (exchange.must_rest()) return CURL_WRITEFUNC_PAUSE;
    const auto bytes = size * count;
    exchange.moved_ = steady_clock::now();
    exchange.owe(exchange.context_.receiving.pay(bytes));
    return exchange.take_body(as_bytes({from, bytes})) ? bytes : 0;
}

// A status line begins the headers anew: what came before was an interim reply (1xx).
void Exchange::take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {
        long status = 0;
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
        reply_.status = static_cast<int>(status);
        reply_.headers = {};
        return;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    reply_.headers.add(std::string(line.substr(0, colon)),
                       std::string(trim(line.substr(colon + 1))));
}

bool Exchange::take_body(Bytes bytes) {
    const bool is_wanted = is_success(reply_.status) && !request_.into.empty();
    const auto room = (is_wanted ? request_.into.size() : request_.reply_bytes_max) -
                      static_cast<std::size_t>(reply_.received);
    if (bytes.size() > room) {
        broken_ = fail(Code::store, "the reply of {} has more than the {} that may be", server_,
                       counted(room + reply_.received, "byte"));
        return false;
    }
    if (is_wanted)
        std::copy(bytes.begin(), bytes.end(),
                  request_.into.begin() + static_cast<std::ptrdiff_t>(reply_.received));
    else
        reply_.body.append(as_text(bytes));
    reply_.received += bytes.size();
    return true;
}

}  // namespace asb
