#include "base/stop.hpp"

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

}  // namespace asb
