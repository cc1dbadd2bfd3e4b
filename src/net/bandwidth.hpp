#pragma once
// Why this exists: a backup must not take the whole line of the service that it protects; all
// transfers of one kind share the bytes a second that the operator allows.

#include <cstdint>

#include "base/clock.hpp"
#include "base/thread_annotations.hpp"

namespace asb {

// Bytes are moved first and paid for after: who moved some holds still until they are paid, and
// each in its turn, so that the sum keeps to the limit however many share it. Thread-safe.
class BandwidthLimit {
  public:
    // 0: no limit.
    explicit BandwidthLimit(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

    [[nodiscard]] bool is_set() const { return bytes_per_second_ != 0; }
    // When `bytes`, which have just been moved, are paid for. Does not wait.
    Deadline pay(std::uint64_t bytes) ASB_EXCLUDES(mutex_);

  private:
    const std::uint64_t bytes_per_second_;
    Mutex mutex_;
    Deadline paid_until_ ASB_GUARDED_BY(mutex_);
};

}  // namespace asb
