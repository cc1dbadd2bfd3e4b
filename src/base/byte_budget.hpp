#pragma once
// Why this exists: a queue of so many items bounds the memory only where items are of one size;
// documents are of 100 bytes or of 16 MiB.

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/thread_annotations.hpp"

namespace asb {

// | call  | threads | blocks                                                          | closed  |
// | take  | any     | until `bytes` fit beside what is out; what is larger goes alone | nothing |
// | close | any     | no                                                              |         |
class ByteBudget {
  public:
    // Bytes that are out, until it is destroyed. Outlived by its budget.
    class Lease {
      public:
        Lease() = default;
        Lease(Lease&& other) noexcept
            : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
        Lease& operator=(Lease&& other) noexcept {
            std::swap(budget_, other.budget_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~Lease() {
            if (budget_ != nullptr) budget_->give(bytes_);
        }

      private:
        friend class ByteBudget;
        Lease(ByteBudget& budget, std::uint64_t bytes) : budget_(&budget), bytes_(bytes) {}
        ByteBudget* budget_ = nullptr;
        std::uint64_t bytes_ = 0;
    };

    explicit ByteBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    std::optional<Lease> take(std::uint64_t bytes) ASB_EXCLUDES(mutex_) {
        UniqueLock lock(mutex_);
        while (out_ != 0 && out_ + bytes > bytes_max_ && !closed_) given_.wait(lock.native());
        if (closed_) return std::nullopt;
        out_ += bytes;
        return Lease(*this, bytes);
    }

    void close() ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        closed_ = true;
        given_.notify_all();
    }

  private:
    void give(std::uint64_t bytes) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        out_ -= bytes;
        given_.notify_all();
    }

    const std::uint64_t bytes_max_;
    Mutex mutex_;
    std::condition_variable given_;
    std::uint64_t out_ ASB_GUARDED_BY(mutex_) = 0;
    bool closed_ ASB_GUARDED_BY(mutex_) = false;
};

}  // namespace asb
