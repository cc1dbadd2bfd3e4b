#pragma once
// Why this exists: the only way bytes cross threads; its bound is what bounds the program's memory.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "base/thread_annotations.hpp"

namespace asb {

// | call         | threads | blocks                        | after close        |
// | push         | any     | while full                    | false, item dropped |
// | pop          | any     | while empty and not closed    | rest, then nullopt |
// | close        | any     | no                            | again is harmless  |
template <typename T>
class BoundedQueue {
  public:
    explicit BoundedQueue(std::size_t depth_max) : depth_max_(depth_max) {}

    bool push(T item) ASB_EXCLUDES(mutex_) {
        UniqueLock lock(mutex_);
        while (items_.size() >= depth_max_ && !closed_) not_full_.wait(lock.native());
        if (closed_) return false;
        items_.push_back(std::move(item));
        not_empty_.notify_one();
        return true;
    }

    std::optional<T> pop() ASB_EXCLUDES(mutex_) {
        UniqueLock lock(mutex_);
        while (items_.empty() && !closed_) not_empty_.wait(lock.native());
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        not_full_.notify_one();
        return item;
    }

    // No more items: pushers fail, poppers get what is left and then nothing.
    void close() ASB_EXCLUDES(mutex_) {
        UniqueLock lock(mutex_);
        closed_ = true;
        not_full_.notify_all();
        not_empty_.notify_all();
    }

  private:
    const std::size_t depth_max_;
    Mutex mutex_;
    std::condition_variable not_full_;
    std::condition_variable not_empty_;
    std::deque<T> items_ ASB_GUARDED_BY(mutex_);
    bool closed_ ASB_GUARDED_BY(mutex_) = false;
};

}  // namespace asb
