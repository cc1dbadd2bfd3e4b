#pragma once
// Why this exists: how a client meets a bad server can only be seen with a server that is bad on
// request. This one runs a script for each connection, on 127.0.0.1, with or without TLS.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "net/http.hpp"

namespace asb::test {

struct Asked {
    std::string line;  // "GET /path HTTP/1.1"
    HttpHeaders headers;
    std::string body;
};

struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslDeleter>;

// One connection, as its script sees it. Closed when the script returns.
class Peer {
  public:
    Peer(int fd, SSL_CTX* tls) : fd_(fd) {
        if (tls == nullptr) return;
        ssl_.reset(SSL_new(tls));
        SSL_set_fd(ssl_.get(), fd);
        greeted_ = SSL_accept(ssl_.get()) == 1;
    }
    ~Peer() {
        if (ssl_ && greeted_) SSL_shutdown(ssl_.get());
        close(fd_);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    // The next request whole; nullopt when the client has gone.
    std::optional<Asked> request() {
        std::size_t end = 0;
        while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
            if (!read_more()) return std::nullopt;
        auto asked = parse(unread_.substr(0, end));
        unread_.erase(0, end + 4);
        const auto length = parse_u64(asked.headers.get("Content-Length")).value_or(0);
        while (unread_.size() < length)
            if (!read_more()) return std::nullopt;
        asked.body = unread_.substr(0, length);
        unread_.erase(0, length);
        return asked;
    }
    // Only the headers of the next request: its body stays unread.
    bool request_headers() {
        while (unread_.find("\r\n\r\n") == std::string::npos)
            if (!read_more()) return false;
        return true;
    }
    void send(std::string_view text) {
        while (!text.empty()) {
            const auto count =
                ssl_ ? SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()))
                     : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (count <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(count));
        }
    }
    void wait_for_end() {
        while (read_more()) unread_.clear();
    }
    // What closing it does then is a reset instead of an orderly end.
    void reset_at_end() const {
        const linger now{.l_onoff = 1, .l_linger = 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

  private:
    static Asked parse(const std::string& text) {
        Asked asked;
        for (const auto& line : split(text, '\n')) {
            const auto trimmed = trim(line);
            const auto colon = trimmed.find(':');
            if (asked.line.empty())
                asked.line = trimmed;
            else
                asked.headers.add(std::string(trimmed.substr(0, colon)),
                                  std::string(trim(trimmed.substr(colon + 1))));
        }
        return asked;
    }
    bool read_more() {
        std::string buffer(256 * kKiB, '\0');
        const auto count =
            ssl_ ? SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()))
                 : recv(fd_, buffer.data(), buffer.size(), 0);
        if (count <= 0) return false;
        unread_.append(buffer, 0, static_cast<std::size_t>(count));
        return true;
    }

    int fd_;
    std::unique_ptr<SSL, SslDeleter> ssl_;
    bool greeted_ = false;
    std::string unread_;
};

inline std::string reply(std::string_view body, std::string_view status = "200 OK") {
    return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body);
}

// A port on 127.0.0.1, bound and not listening: connections are refused.
class Port {
  public:
    Port() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const plain = reinterpret_cast<sockaddr*>(&address);
        if (bind(fd_, plain, size) != 0 || getsockname(fd_, plain, &size) != 0) std::abort();
        number_ = ntohs(address.sin_port);
    }
    ~Port() { close(fd_); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] std::string server() const { return fmt::format("127.0.0.1:{}", number_); }
    [[nodiscard]] std::uint16_t number() const { return number_; }

  private:
    int fd_;
    std::uint16_t number_ = 0;
};

// Runs `script` in a thread of its own for each connection; `number` counts connections from 1.
class Server {
  public:
    using Script = std::function<void(Peer& peer, int number)>;
    explicit Server(Script script, SslContext tls = nullptr)
        : script_(std::move(script)), tls_(std::move(tls)) {
        if (listen(port_.fd(), 128) != 0) std::abort();
        acceptor_ = std::jthread([this] { accept_all(); });
    }
    ~Server() {
        shutdown(port_.fd(), SHUT_RDWR);
        acceptor_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int fd : open_) shutdown(fd, SHUT_RDWR);
        }
        connections_.clear();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::string url(std::string_view path = "/") const {
        return fmt::format("{}://{}{}", tls_ ? "https" : "http", server(), path);
    }
    [[nodiscard]] std::string server() const { return port_.server(); }
    [[nodiscard]] std::uint16_t port() const { return port_.number(); }
    [[nodiscard]] int connections() const { return count_; }

  private:
    void accept_all() {
        while (true) {
            const int fd = accept4(port_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            {
                const std::lock_guard lock(mutex_);
                open_.push_back(fd);
            }
            const int number = ++count_;
            connections_.emplace_back([this, fd, number] { serve(fd, number); });
        }
    }
    void serve(int fd, int number) {
        ignore_broken_pipes();
        {
            Peer peer(dup(fd), tls_.get());
            script_(peer, number);
        }
        // Only now: a number of a descriptor that is open here is nobody else's.
        const std::lock_guard lock(mutex_);
        std::erase(open_, fd);
        close(fd);
    }

    // Of this thread only: the client must do without.
    static void ignore_broken_pipes() {
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    }

    const Script script_;
    const SslContext tls_;
    Port port_;
    std::atomic<int> count_{0};
    std::mutex mutex_;
    std::vector<int> open_;
    std::vector<std::jthread> connections_;
    std::jthread acceptor_;
};

// Answers each request of each connection with `text`.
inline Server::Script always(std::string text) {
    return [text = std::move(text)](Peer& peer, int) {
        while (peer.request()) peer.send(text);
    };
}

}  // namespace asb::test
