#pragma once
// Why this exists: what fails on a sink's own thread must come out of the caller's next call.

#include <optional>

#include "base/result.hpp"
#include "base/thread_annotations.hpp"

namespace asb {

// Keeps the first error that any thread meets. All calls: any thread, no waiting.
class FirstError {
  public:
    void set(Error error) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        if (!error_) error_ = std::move(error);
    }
    [[nodiscard]] Status check() const ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        if (error_) return *error_;
        return {};
    }

  private:
    mutable Mutex mutex_;
    std::optional<Error> error_ ASB_GUARDED_BY(mutex_);
};

}  // namespace asb
