#pragma once
// Why this exists: the byte path counts, and somebody else draws; counting costs one relaxed atomic
// add.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace asb {

// | call                 | threads |
// | all                  | any     |
class Progress {
  public:
    struct Snapshot {
        std::string stage;
        std::uint64_t bytes = 0;
        std::uint64_t expected_bytes = 0;  // 0: not known
        std::uint64_t stage_number = 0;    // grows with each stage
    };

    // A new stage begins; counters start at 0. `expected_bytes` may be 0 or an estimate.
    void begin_stage(std::string stage, std::uint64_t expected_bytes) {
        const std::lock_guard lock(mutex_);
        stage_ = std::move(stage);
        expected_bytes_ = expected_bytes;
        ++stage_number_;
        bytes_.store(0);
    }
    void add(std::uint64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    void expect(std::uint64_t expected_bytes) {
        const std::lock_guard lock(mutex_);
        expected_bytes_ = expected_bytes;
    }

    [[nodiscard]] Snapshot snapshot() const {
        const std::lock_guard lock(mutex_);
        return {stage_, bytes_.load(), expected_bytes_, stage_number_};
    }

  private:
    mutable std::mutex mutex_;
    std::string stage_;
    std::uint64_t expected_bytes_ = 0;
    std::uint64_t stage_number_ = 0;
    std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace asb
