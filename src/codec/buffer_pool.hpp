#pragma once
// Why this exists: the byte path needs blocks of one size over and over; giving them back instead
// of freeing them saves the kernel mapping and zeroing them anew each time.

#include <vector>

#include "base/bytes.hpp"
#include "base/thread_annotations.hpp"

namespace asb {

// | call | threads | blocks                                                |
// | take | any     | no: makes a new one when none is free; the callers' queues bound their number
// | | give | any     | no                                                    |
class BufferPool {
  public:
    explicit BufferPool(std::size_t capacity) : capacity_(capacity) {}

    // An empty buffer of the pool's capacity.
    Buffer take() ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        if (free_.empty()) return Buffer(capacity_);
        Buffer buffer = std::move(free_.back());
        free_.pop_back();
        buffer.clear();
        return buffer;
    }
    // A buffer that `take` gave, or a moved-from one (which is dropped).
    void give(Buffer buffer) ASB_EXCLUDES(mutex_) {
        if (buffer.data() == nullptr) return;
        const UniqueLock lock(mutex_);
        free_.push_back(std::move(buffer));
    }

  private:
    const std::size_t capacity_;
    Mutex mutex_;
    std::vector<Buffer> free_ ASB_GUARDED_BY(mutex_);
};

}  // namespace asb
