#pragma once
// Why this exists: one name, one live writer, on a store that has neither locks nor a process to
// hold them. A lease is an object of its own that its holder writes anew now and then; who finds
// one that is stale takes the name over.
//
// Taking: nobody live holds the name; the next generation is written if it is not there (of two who
// take over at once the store lets one); then a second look shows nobody else. Listings of S3 and
// of Google Cloud Storage show what was written before them, so of two who write different
// generations at least one sees the other, and whoever does gives way.
//
// A holder that slept may have lost its lease without knowing: before it relies on one that it has
// not renewed for LeaseTimes::check_after, it looks. What no lease can stop (a look, a sleep, a
// commit) the store does: an object is written only where there is none.

#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

#include "base/thread_annotations.hpp"
#include "store/remote/seen_lease.hpp"

namespace asb::remote {

class HeldLease;
class Leases;

// A held name; destruction lets it go, even after a stop. A failure to do so is no error: the lease
// goes stale. One thread at a time.
class Lease {
  public:
    Lease(std::shared_ptr<Leases> leases, std::shared_ptr<HeldLease> held);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    // Fails as check_held once the lease is known to be lost; sends nothing.
    [[nodiscard]] Status check_known() const;
    // Before a commit. Looks, when the lease may have gone stale: `busy` when another run has taken
    // the name over.
    Status check_held();

  private:
    const std::shared_ptr<Leases> leases_;
    const std::shared_ptr<HeldLease> held_;
};

// The leases of one appender, and the thread that renews them; it starts with the first one.
//
// | call | threads                                   |
// | take | any                                       |
// | else | Lease's, each from the thread that has it |
class Leases : public std::enable_shared_from_this<Leases> {
  public:
    Leases(std::shared_ptr<ObjectClient> client, LeaseTimes times);
    // Waits for a renewal that is under way, which ends at once when a stop was requested.
    ~Leases();
    Leases(const Leases&) = delete;
    Leases& operator=(const Leases&) = delete;

    // `busy` when a live writer holds the name, naming its host and process.
    Result<std::unique_ptr<Lease>> take(const ObjectKey& key);

  private:
    friend class Lease;
    void enroll(std::shared_ptr<HeldLease> held) ASB_EXCLUDES(mutex_);
    void drop(const std::shared_ptr<HeldLease>& held) ASB_EXCLUDES(mutex_);
    void run() ASB_EXCLUDES(mutex_);
    bool wait_for_round() ASB_EXCLUDES(mutex_);
    std::vector<std::shared_ptr<HeldLease>> held() ASB_EXCLUDES(mutex_);

    const std::shared_ptr<ObjectClient> client_;
    const LeaseTimes times_;
    Mutex mutex_;
    std::condition_variable wake_;
    bool ending_ ASB_GUARDED_BY(mutex_) = false;
    std::vector<std::shared_ptr<HeldLease>> held_ ASB_GUARDED_BY(mutex_);
    std::jthread renewer_ ASB_GUARDED_BY(mutex_);
};

}  // namespace asb::remote
