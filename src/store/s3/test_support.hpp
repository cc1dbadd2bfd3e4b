#pragma once
// Why this exists: what S3 does when it is busy, in another region, or ahead of our clock, no
// server does on request; here one answers each request as a test wants it.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "net/test_server.hpp"
#include "store/s3/client.hpp"

namespace asb::s3::test {

// Counts how often it was asked, and whether it had to be asked anew.
class FixedCredentials : public CredentialSource {
  public:
    Result<Credentials> get() override {
        return Credentials{.access_key_id = "key-" + std::to_string(generation_.load()),
                           .secret_access_key = Secret("secret-of-the-key"),
                           .session_token = {},
                           .expires = {},
                           .source = "the test"};
    }
    void drop(const Credentials& /*refused*/) override { ++generation_; }

  private:
    std::atomic<int> generation_{1};
};

inline std::string error_reply(std::string_view status, std::string_view code,
                               std::string_view more = {}) {
    return asb::test::reply(fmt::format("<Error><Code>{}</Code><Message>of the test</Message>{}"
                                        "<RequestId>R1</RequestId></Error>",
                                        code, more),
                            status);
}

inline std::string reply_with(std::string_view status, std::string_view headers,
                              std::string_view body = {}) {
    return fmt::format("HTTP/1.1 {}\r\n{}\r\nContent-Length: {}\r\n\r\n{}", status, headers,
                       body.size(), body);
}

// A client of the bucket "backups", prefix "p/", at a server that answers with `answer`; an empty
// answer hangs up. Requests are counted from 1.
class Scripted {
  public:
    using Answer = std::function<std::string(const asb::test::Asked& asked, int number)>;
    explicit Scripted(Answer answer, WritePolicy policy = {})
        : answer_(std::move(answer)),
          server_([this](asb::test::Peer& peer, int) { serve(peer); }),
          log_(Log::Options{.run_id = "test"}),
          client_(open(), std::move(policy)) {}

    S3Client& client() { return client_; }
    // "PUT /backups/p/a", in order.
    std::vector<std::string> lines() {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> lines;
        lines.reserve(asked_.size());
        for (const auto& asked : asked_)
            lines.push_back(asked.line.substr(0, asked.line.rfind(' ')));
        return lines;
    }
    // A header of the request `number`, counted from 1.
    std::string header(std::size_t number, std::string_view name) {
        const std::lock_guard lock(mutex_);
        return std::string(asked_.at(number - 1).headers.get(name));
    }
    std::string body(std::size_t number) {
        const std::lock_guard lock(mutex_);
        return asked_.at(number - 1).body;
    }
    StopToken stop;

  private:
    void serve(asb::test::Peer& peer) {
        while (auto asked = peer.request()) {
            int number = 0;
            {
                const std::lock_guard lock(mutex_);
                asked_.push_back(*asked);
                number = static_cast<int>(asked_.size());
            }
            const auto text = answer_(*asked, number);
            if (text.empty()) return;
            peer.send(text);
        }
    }
    std::shared_ptr<Channel> open() {
        const RetryPolicy retry = {.tries_max = 5,
                                   .wait_first = std::chrono::milliseconds(1),
                                   .wait_max = std::chrono::milliseconds(5),
                                   .total_max = std::chrono::milliseconds(5'000)};
        const EndpointSettings endpoint{.url = server_.url("")};
        return std::make_shared<Channel>(
            Channel::Parts{.location = *parse_location("s3://backups/p"),
                           .endpoint = *Endpoint::make(endpoint, "backups"),
                           .region = "us-east-1",
                           .retry = retry,
                           .http = std::make_shared<HttpClient>(HttpClient::Options{}, stop),
                           .credentials = std::make_shared<FixedCredentials>()},
            log_, stop);
    }

    const Answer answer_;
    std::mutex mutex_;
    std::vector<asb::test::Asked> asked_;
    asb::test::Server server_;
    Log log_;
    S3Client client_;
};

}  // namespace asb::s3::test
