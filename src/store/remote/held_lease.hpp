#pragma once
// Why this exists: the life of one lease, from the moment its object may be there until it may be
// there no more (store/remote/lease.hpp tells the protocol).

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/thread_annotations.hpp"
#include "store/remote/seen_lease.hpp"

namespace asb::remote {

// Each call from any thread; one waits for the other, requests included.
class HeldLease {
  public:
    HeldLease(std::shared_ptr<ObjectClient> client, LeaseTimes times, ObjectKey key,
              std::uint64_t generation);

    // Writes its object; `busy` when another was quicker.
    Status create() ASB_EXCLUDES(mutex_);
    // After create: nobody else holds the name.
    Status check_alone() ASB_EXCLUDES(mutex_);
    // Writes it anew, when it still is its own. An error is no event: the next round tries again.
    void renew() ASB_EXCLUDES(mutex_);
    // As Lease::check_held and Lease::check_known.
    Status check_held() ASB_EXCLUDES(mutex_);
    [[nodiscard]] Status check_known() const;
    // Removes its object, unless that may be another's by now. Nothing is written after it.
    void release() ASB_EXCLUDES(mutex_);

  private:
    // A machine's sleep stops the steady clock; a change of the date moves the other.
    struct Moment {
        std::chrono::steady_clock::time_point steady = std::chrono::steady_clock::now();
        std::chrono::system_clock::time_point wall = std::chrono::system_clock::now();
    };
    [[nodiscard]] bool is_doubtful() const ASB_REQUIRES(mutex_);
    Status write(bool once) ASB_REQUIRES(mutex_);
    Status look() ASB_REQUIRES(mutex_);
    [[nodiscard]] Error lost() const;

    const std::shared_ptr<ObjectClient> client_;
    const LeaseTimes times_;
    const ObjectKey key_;
    const std::uint64_t generation_;
    const LeaseHolder holder_;
    std::atomic<bool> lost_ = false;  // for good
    Mutex mutex_;
    std::optional<HeldHere> here_ ASB_GUARDED_BY(mutex_);  // until it is released
    std::optional<Moment> written_ ASB_GUARDED_BY(mutex_);
};

// The error for a name that `lease` holds.
Error held_by(const SeenLease& lease, const ObjectClient& client);

}  // namespace asb::remote
