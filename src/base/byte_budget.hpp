#pragma once
// Why this exists: a queue of so many items bounds the memory only where items are of one size;
// documents are of 100 bytes or of 16 MiB.

#include <condition_variable>
#include <cstdint>

#include "base/thread_annotations.hpp"

namespace asb {

// | call  | threads | blocks                                                           | after
// close | | take  | any     | until `bytes` fit beside what is out; what is larger goes alone  |
// false       | | give  | any     | no | as before   | | close | any     | no | harmless    |
class ByteBudget {
  public:
    explicit ByteBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    bool take(std::uint64_t bytes) ASB_EXCLUDES(mutex_) {
        UniqueLock lock(mutex_);
        while (out_ != 0 && out_ + bytes > bytes_max_ && !closed_) given_.wait(lock.native());
        if (closed_) return false;
        out_ += bytes;
        return true;
    }

    // What was taken, as it was taken.
    void give(std::uint64_t bytes) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        out_ -= bytes;
        given_.notify_all();
    }

    void close() ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        closed_ = true;
        given_.notify_all();
    }

  private:
    const std::uint64_t bytes_max_;
    Mutex mutex_;
    std::condition_variable given_;
    std::uint64_t out_ ASB_GUARDED_BY(mutex_) = 0;
    bool closed_ ASB_GUARDED_BY(mutex_) = false;
};

}  // namespace asb
