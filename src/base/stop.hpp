#pragma once
// Why this exists: a run can be asked to stop from a signal handler, and every blocking call (poll
// on a socket, a queue, a child process) must notice. std::stop_token cannot be waited for with
// poll(2); this one can.

#include <atomic>
#include <memory>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace asb {

// Copies share one flag. Thread-safe; `request` is async-signal-safe.
class StopToken {
  public:
    StopToken();  // a token that nobody has asked to stop yet
    void request() const noexcept;
    [[nodiscard]] bool requested() const noexcept;
    // A token of its own that counts as asked to stop as soon as this one is; never the other way
    // round. For a part of a run that may be given up alone.
    [[nodiscard]] StopToken linked() const;
    // Readable as soon as a stop was requested; never read from it. Lives as long as any copy.
    [[nodiscard]] int poll_fd() const noexcept;
    // An `interrupted` error once a stop was requested.
    [[nodiscard]] Status check() const;
    // Waits until `deadline`, or fails as `check` does as soon as a stop is requested.
    [[nodiscard]] Status wait_until(Deadline deadline) const;

  private:
    struct State;
    explicit StopToken(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace asb
