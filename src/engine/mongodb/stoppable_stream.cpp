#include "engine/mongodb/stoppable_stream.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;

// Not one of libmongoc's own stream types, which are below 10.
constexpr int kStreamType = 100;
// libmongoc's own default (MONGOC_DEFAULT_CONNECTTIMEOUTMS).
constexpr std::int32_t kConnectTimeoutMs = 10'000;
// As libmongoc sets them: a dead peer is noticed after 120 s idle and nine probes 10 s apart.
constexpr int kKeepIdleSeconds = 120;
constexpr int kKeepIntervalSeconds = 10;
constexpr int kKeepProbes = 9;

// libmongoc sees the first member; `destroy` gets the whole back from it.
struct Stream {
    mongoc_stream_t base{};
    int socket = -1;
    const StopToken* stop = nullptr;
    bool timed_out = false;
    ~Stream() {
        if (socket >= 0) ::close(socket);
    }
};

Stream& self(mongoc_stream_t* stream) {
    return *reinterpret_cast<Stream*>(stream);
}

int milliseconds_until(Deadline deadline) {
    const auto left = deadline - std::chrono::steady_clock::now();
    return static_cast<int>(
        std::clamp<std::int64_t>(std::chrono::ceil<milliseconds>(left).count(), 0, 1 << 30));
}

// Whether the socket became ready; else errno is ECANCELED (stop), ETIMEDOUT or what poll(2) said.
bool wait_ready(int socket, short events, const StopToken& stop, Deadline deadline) {
    for (;;) {
        pollfd sockets[2] = {{socket, events, 0}, {stop.poll_fd(), POLLIN, 0}};
        const int left = milliseconds_until(deadline);
        const int ready = ::poll(sockets, 2, left);
        if (ready < 0 && errno != EINTR) return false;
        if (stop.requested()) {
            errno = ECANCELED;
            return false;
        }
        if (ready > 0 && sockets[0].revents != 0) return true;
        if (left == 0) {
            errno = ETIMEDOUT;
            return false;
        }
    }
}

bool wait_stream(Stream& stream, short events, Deadline deadline) {
    if (wait_ready(stream.socket, events, *stream.stop, deadline)) return true;
    stream.timed_out = errno == ETIMEDOUT;
    return false;
}

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

// Drops `count` bytes from the front of `parts`.
void advance(std::vector<iovec>& parts, std::size_t count) {
    while (!parts.empty() && count >= parts.front().iov_len) {
        count -= parts.front().iov_len;
        parts.erase(parts.begin());
    }
    if (parts.empty()) return;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + count;
    parts.front().iov_len -= count;
}

std::vector<iovec> parts_of(const mongoc_iovec_t* vectors, std::size_t count) {
    std::vector<iovec> parts;
    for (std::size_t i = 0; i < count; ++i)
        if (vectors[i].iov_len != 0) parts.push_back({vectors[i].iov_base, vectors[i].iov_len});
    return parts;
}

msghdr message_of(std::vector<iovec>& parts) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    return message;
}

ssize_t write_stream(mongoc_stream_t* base, mongoc_iovec_t* vectors, std::size_t count,
                     std::int32_t timeout_ms) {
    Stream& stream = self(base);
    stream.timed_out = false;
    const Deadline deadline = after(milliseconds(timeout_ms));
    auto parts = parts_of(vectors, count);
    ssize_t written = 0;
    while (!parts.empty()) {
        const msghdr message = message_of(parts);
        const ssize_t sent = ::sendmsg(stream.socket, &message, MSG_NOSIGNAL);
        if (sent < 0 && !(would_block() && wait_stream(stream, POLLOUT, deadline))) return -1;
        if (sent <= 0) continue;
        written += sent;
        advance(parts, static_cast<std::size_t>(sent));
    }
    return written;
}

ssize_t read_stream(mongoc_stream_t* base, mongoc_iovec_t* vectors, std::size_t count,
                    std::size_t bytes_min, std::int32_t timeout_ms) {
    Stream& stream = self(base);
    stream.timed_out = false;
    const Deadline deadline = after(milliseconds(timeout_ms));
    auto parts = parts_of(vectors, count);
    ssize_t got = 0;
    while (!parts.empty()) {
        if (stream.stop->requested()) {
            errno = ECANCELED;
            return -1;
        }
        msghdr message = message_of(parts);
        const ssize_t came = ::recvmsg(stream.socket, &message, 0);
        if (came == 0) return got;
        if (came < 0) {
            if (!would_block()) return -1;
            // libmongoc asks with no time limit and no minimum when it only wants what is there.
            if (timeout_ms == 0 || !wait_stream(stream, POLLIN, deadline))
                return got > 0 && static_cast<std::size_t>(got) >= bytes_min ? got : -1;
            continue;
        }
        got += came;
        if (static_cast<std::size_t>(got) >= bytes_min) return got;
        advance(parts, static_cast<std::size_t>(came));
    }
    return got;
}

int close_stream(mongoc_stream_t* base) {
    Stream& stream = self(base);
    if (stream.socket >= 0) ::close(stream.socket);
    stream.socket = -1;
    return 0;
}

void destroy_stream(mongoc_stream_t* base) {
    const std::unique_ptr<Stream> owner(reinterpret_cast<Stream*>(base));
}

bool check_closed(mongoc_stream_t* base) {
    char byte = 0;
    const ssize_t came = ::recv(self(base).socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return came == 0 || (came < 0 && !would_block());
}

ssize_t poll_streams(mongoc_stream_poll_t* streams, std::size_t count, std::int32_t timeout_ms) {
    if (count == 0) return 0;
    std::vector<pollfd> sockets;
    for (std::size_t i = 0; i < count; ++i) {
        sockets.push_back(
            {self(streams[i].stream).socket, static_cast<short>(streams[i].events), 0});
        streams[i].revents = 0;
    }
    const StopToken& stop = *self(streams[0].stream).stop;
    sockets.push_back({stop.poll_fd(), POLLIN, 0});
    ssize_t ready = ::poll(sockets.data(), sockets.size(), timeout_ms);
    if (ready < 0) return -1;
    if (stop.requested()) {
        // As if every peer had hung up: whoever waits gives up.
        for (std::size_t i = 0; i < count; ++i) streams[i].revents = POLLHUP | POLLERR;
        return static_cast<ssize_t>(count);
    }
    for (std::size_t i = 0; i < count; ++i) streams[i].revents = sockets[i].revents;
    return ready;
}

mongoc_stream_t make_interface() {
    mongoc_stream_t stream{};
    stream.type = kStreamType;
    stream.destroy = destroy_stream;
    stream.failed = destroy_stream;
    stream.close = close_stream;
    stream.flush = [](mongoc_stream_t*) { return 0; };
    stream.writev = write_stream;
    stream.readv = read_stream;
    stream.setsockopt = [](mongoc_stream_t* base, int level, int name, void* value,
                           mongoc_socklen_t size) {
        return ::setsockopt(self(base).socket, level, name, value, size);
    };
    stream.check_closed = check_closed;
    stream.poll = poll_streams;
    stream.timed_out = [](mongoc_stream_t* base) { return self(base).timed_out; };
    stream.should_retry = [](mongoc_stream_t*) { return would_block(); };
    return stream;
}

void set_option(int socket, int level, int name, int value) {
    // An option that a socket does not know (a unix socket's) is no reason not to connect.
    [[maybe_unused]] const int result = ::setsockopt(socket, level, name, &value, sizeof value);
}

void tune(int socket) {
    set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds);
    set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds);
    set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes);
}

// A connected stream, or null with errno set.
std::unique_ptr<Stream> connect_to(const sockaddr* address, socklen_t size, const StopToken& stop,
                                   Deadline deadline) {
    auto stream = std::make_unique<Stream>();
    stream->base = make_interface();
    stream->stop = &stop;
    stream->socket = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (stream->socket < 0) return nullptr;
    if (address->sa_family != AF_UNIX) tune(stream->socket);
    if (::connect(stream->socket, address, size) == 0) return stream;
    if (errno != EINPROGRESS || !wait_ready(stream->socket, POLLOUT, stop, deadline))
        return nullptr;
    int problem = 0;
    socklen_t problem_size = sizeof problem;
    if (::getsockopt(stream->socket, SOL_SOCKET, SO_ERROR, &problem, &problem_size) != 0)
        return nullptr;
    errno = problem;
    return problem == 0 ? std::move(stream) : nullptr;
}

std::unique_ptr<Stream> connect_unix(const mongoc_host_list_t& host, const StopToken& stop,
                                     Deadline deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(host.host);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return nullptr;
    }
    std::memcpy(address.sun_path, host.host, length);
    // libmongoc owns it in the end, and destroy_stream frees it.
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
    return connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address, stop, deadline);
}

struct FreeAddresses {
    void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};

// Tries each address of the host in the resolver's order.
std::unique_ptr<Stream> connect_tcp(const mongoc_host_list_t& host, const StopToken& stop,
                                    Deadline deadline, std::string& problem) {
    addrinfo wanted{};
    wanted.ai_family = host.family;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int resolved =
        ::getaddrinfo(host.host, std::to_string(host.port).c_str(), &wanted, &found);
    if (resolved != 0) {
        problem = ::gai_strerror(resolved);
        return nullptr;
    }
    const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
    for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
        // libmongoc owns it in the end, and destroy_stream frees it.
        // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
        auto stream = connect_to(at->ai_addr, at->ai_addrlen, stop, deadline);
        if (stream != nullptr) return stream;
        problem = fmt::format("errno {}", errno);
        if (errno == ECONNREFUSED) problem = "connection refused";
        if (errno == ETIMEDOUT) problem = "no answer in time";
        if (stop.requested()) return nullptr;
    }
    return nullptr;
}

mongoc_ssl_opt_t tls_options(const mongoc_uri_t* uri) {
    mongoc_ssl_opt_t options = *mongoc_ssl_opt_get_default();
    options.pem_file =
        mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, nullptr);
    options.pem_pwd =
        mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, nullptr);
    options.ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, nullptr);
    const bool insecure = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false);
    options.weak_cert_validation =
        insecure ||
        mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, false);
    options.allow_invalid_hostname =
        insecure || mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, false);
    return options;
}

void set_error(bson_error_t* error, const mongoc_host_list_t& host, const std::string& problem) {
    bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "%s: %s",
                   host.host_and_port, problem.c_str());
}

mongoc_stream_t* add_tls(std::unique_ptr<Stream> stream, const mongoc_uri_t* uri,
                         const mongoc_host_list_t& host, std::int32_t timeout_ms,
                         bson_error_t* error) {
    mongoc_ssl_opt_t options = tls_options(uri);
    mongoc_stream_t* plain = &stream->base;
    mongoc_stream_t* encrypted = mongoc_stream_tls_new_with_hostname(plain, host.host, &options, 1);
    if (encrypted == nullptr) {
        set_error(error, host, "the TLS files of the address cannot be used");
        return nullptr;
    }
    [[maybe_unused]] Stream* const owned_by_tls = stream.release();
    bson_error_t problem{};
    if (mongoc_stream_tls_handshake_block(encrypted, host.host, timeout_ms, &problem))
        return encrypted;
    mongoc_stream_destroy(encrypted);
    set_error(error, host, problem.message[0] == '\0' ? "TLS handshake failed" : problem.message);
    return nullptr;
}

mongoc_stream_t* initiate(const mongoc_uri_t* uri, const mongoc_host_list_t* host, void* user_data,
                          bson_error_t* error) {
    const StopToken& stop = *static_cast<const StopToken*>(user_data);
    const std::int32_t timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, kConnectTimeoutMs);
    const Deadline deadline = after(milliseconds(timeout_ms));
    std::string problem;
    auto stream = host->family == AF_UNIX ? connect_unix(*host, stop, deadline)
                                          : connect_tcp(*host, stop, deadline, problem);
    if (stream == nullptr) {
        set_error(error, *host, problem.empty() ? fmt::format("errno {}", errno) : problem);
        return nullptr;
    }
    if (mongoc_uri_get_tls(uri)) return add_tls(std::move(stream), uri, *host, timeout_ms, error);
    return &stream.release()->base;
    // libmongoc owns it in the end, and destroy_stream frees it.
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
}

}  // namespace

void wait_for_stop_too(mongoc_client_t* client, const StopToken& stop) {
    // libmongoc's callback takes no const pointer; `initiate` gives it back its const.
    mongoc_client_set_stream_initiator(client, initiate, const_cast<StopToken*>(&stop));
}

}  // namespace asb
