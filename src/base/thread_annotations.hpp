#pragma once
// Why this exists: clang proves at compile time which lock guards which field; g++ sees plain
// std::mutex.

#include <mutex>

#if defined(__clang__)
#define ASB_ANNOTATION(x) __attribute__((x))
#else
#define ASB_ANNOTATION(x)
#endif
#define ASB_GUARDED_BY(mutex) ASB_ANNOTATION(guarded_by(mutex))
#define ASB_REQUIRES(...) ASB_ANNOTATION(requires_capability(__VA_ARGS__))
#define ASB_EXCLUDES(...) ASB_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace asb {

class ASB_ANNOTATION(capability("mutex")) Mutex {
  public:
    void lock() ASB_ANNOTATION(acquire_capability()) { mutex_.lock(); }
    void unlock() ASB_ANNOTATION(release_capability()) { mutex_.unlock(); }
    std::mutex& native() { return mutex_; }

  private:
    std::mutex mutex_;
};

// Holds the mutex for a scope; `native()` is what a condition variable waits on.
class ASB_ANNOTATION(scoped_lockable) UniqueLock {
  public:
    explicit UniqueLock(Mutex& mutex) ASB_ANNOTATION(acquire_capability(mutex))
        : lock_(mutex.native()) {}
    ~UniqueLock() ASB_ANNOTATION(release_capability()) = default;
    UniqueLock(const UniqueLock&) = delete;
    UniqueLock& operator=(const UniqueLock&) = delete;
    std::unique_lock<std::mutex>& native() { return lock_; }

  private:
    std::unique_lock<std::mutex> lock_;
};

}  // namespace asb
