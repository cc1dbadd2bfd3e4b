#include "base/stop.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace asb {

struct StopToken::State {
    State() : fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { ASB_ASSERT(fd >= 0); }
    ~State() { close(fd); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    std::atomic<bool> requested{false};
    int fd;
};

StopToken::StopToken() : state_(std::make_shared<State>()) {}

void StopToken::request() const noexcept {
    state_->requested.store(true);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(state_->fd, &one, sizeof one);
}

bool StopToken::requested() const noexcept {
    return state_->requested.load(std::memory_order_relaxed);
}

int StopToken::poll_fd() const noexcept {
    return state_->fd;
}

Status StopToken::check() const {
    if (requested()) return fail(Code::interrupted, "stopped on request");
    return {};
}

Status StopToken::wait_until(Deadline deadline) const {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return check();
        pollfd wake{.fd = poll_fd(), .events = POLLIN, .revents = 0};
        if (poll(&wake, 1, static_cast<int>(left.count())) > 0) return check();
    }
}

}  // namespace asb
