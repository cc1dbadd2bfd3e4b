#include "base/stop.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace asb {

struct StopToken::State {
    explicit State(std::shared_ptr<State> parent_given = nullptr)
        : parent(std::move(parent_given)), own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        ASB_ASSERT(own >= 0);
        if (parent != nullptr) watch_both();
    }
    ~State() {
        close(own);
        if (either >= 0) close(either);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    // An epoll descriptor is itself readable when one that it watches is.
    void watch_both() {
        either = epoll_create1(EPOLL_CLOEXEC);
        ASB_ASSERT(either >= 0);
        for (const int fd : {own, parent->fd()}) {
            epoll_event readable{.events = EPOLLIN, .data = {}};
            ASB_ASSERT(epoll_ctl(either, EPOLL_CTL_ADD, fd, &readable) == 0);
        }
    }
    [[nodiscard]] int fd() const { return either >= 0 ? either : own; }
    [[nodiscard]] bool is_requested() const {
        return requested.load(std::memory_order_relaxed) ||
               (parent != nullptr && parent->is_requested());
    }

    std::shared_ptr<State> parent;
    std::atomic<bool> requested{false};
    int own;
    int either = -1;  // of a linked one
};

StopToken::StopToken() : state_(std::make_shared<State>()) {}
StopToken::StopToken(std::shared_ptr<State> state) : state_(std::move(state)) {}

StopToken StopToken::linked() const {
    return StopToken(std::make_shared<State>(state_));
}

void StopToken::request() const noexcept {
    state_->requested.store(true);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(state_->own, &one, sizeof one);
}

bool StopToken::requested() const noexcept {
    return state_->is_requested();
}

int StopToken::poll_fd() const noexcept {
    return state_->fd();
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
