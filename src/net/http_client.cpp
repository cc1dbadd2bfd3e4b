#include "net/http.hpp"

#include <set>

#include "net/bandwidth.hpp"
#include "net/exchange.hpp"
#include "net/handles.hpp"

namespace asb {
namespace {

// What one exchange needs for itself. The multi handle keeps the connections.
struct Line {
    CurlMulti multi;
    CurlEasy easy;
};

Line new_line() {
    // Once a process, by whoever is first.
    static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
    ASB_ASSERT(kReady == CURLE_OK);
    Line line{.multi = CurlMulti(curl_multi_init()), .easy = CurlEasy(curl_easy_init())};
    if (!line.multi || !line.easy) throw std::bad_alloc();
    return line;
}

}  // namespace

struct HttpClient::State {
    State(Options options_given, StopToken stop_given)
        : options(std::move(options_given)),
          stop(std::move(stop_given)),
          sending(options.send_bytes_per_second),
          receiving(options.receive_bytes_per_second) {}

    Result<HttpReply> exchange(const HttpRequest& request, const StopToken& until, Deadline end);
    Line borrow() ASB_EXCLUDES(mutex);
    void give_back(Line line) ASB_EXCLUDES(mutex);
    bool was_reached(const std::string& host) ASB_EXCLUDES(mutex);
    void note_reached(const std::string& host) ASB_EXCLUDES(mutex);

    const Options options;
    const StopToken stop;
    BandwidthLimit sending;
    BandwidthLimit receiving;
    Mutex mutex;
    // The last one given back is the first to go: its connection is the least likely to be dead.
    std::vector<Line> idle ASB_GUARDED_BY(mutex);
    std::set<std::string> reached ASB_GUARDED_BY(mutex);
};

Line HttpClient::State::borrow() {
    {
        const UniqueLock lock(mutex);
        if (!idle.empty()) {
            auto line = std::move(idle.back());
            idle.pop_back();
            return line;
        }
    }
    return new_line();
}

void HttpClient::State::give_back(Line line) {
    const UniqueLock lock(mutex);
    idle.push_back(std::move(line));
}

bool HttpClient::State::was_reached(const std::string& host) {
    const UniqueLock lock(mutex);
    return reached.count(host) != 0;
}

void HttpClient::State::note_reached(const std::string& host) {
    const UniqueLock lock(mutex);
    reached.insert(host);
}

Result<HttpReply> HttpClient::State::exchange(const HttpRequest& request, const StopToken& until,
                                              Deadline end) {
    ASB_TRY(const auto url, parse_http_url(request.url));
    const ExchangeContext context{.options = options,
                                  .stop = until,
                                  .sending = sending,
                                  .receiving = receiving,
                                  .end = end,
                                  .was_reached = was_reached(url.host)};
    auto line = borrow();
    auto reply = Exchange(request, url, context, line.easy.get(), line.multi.get()).run();
    // After an error the line goes: once a name had no address, libcurl 7.88 refuses options for
    // good.
    if (!reply.ok()) return reply;
    give_back(std::move(line));
    note_reached(url.host);
    return reply;
}

HttpClient::HttpClient(Options options, StopToken stop)
    : state_(std::make_unique<State>(std::move(options), std::move(stop))) {}

HttpClient::~HttpClient() = default;

Result<HttpReply> HttpClient::send(const HttpRequest& request) {
    return state_->exchange(request, state_->stop, Deadline::max());
}

Result<HttpReply> HttpClient::send_despite_stop(const HttpRequest& request,
                                                std::chrono::milliseconds max) {
    return state_->exchange(request, StopToken(), after(max));
}

}  // namespace asb
