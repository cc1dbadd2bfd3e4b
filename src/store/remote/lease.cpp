#include "store/remote/lease.hpp"

#include <algorithm>

#include "store/remote/held_lease.hpp"

namespace asb::remote {

Lease::Lease(std::shared_ptr<Leases> leases, std::shared_ptr<HeldLease> held)
    : leases_(std::move(leases)), held_(std::move(held)) {}

Lease::~Lease() {
    leases_->drop(held_);
    held_->release();
}

Status Lease::check_known() const {
    return held_->check_known();
}

Status Lease::check_held() {
    return held_->check_held();
}

Leases::Leases(std::shared_ptr<ObjectClient> client, LeaseTimes times)
    : client_(std::move(client)), times_(times) {}

Leases::~Leases() {
    std::jthread renewer;
    {
        const UniqueLock lock(mutex_);
        ending_ = true;
        wake_.notify_all();
        renewer = std::move(renewer_);
    }
}

Result<std::unique_ptr<Lease>> Leases::take(const ObjectKey& key) {
    ASB_TRY(const auto seen, see_leases_of(*client_, times_, key));
    for (const auto& lease : seen)
        if (lease.live) return held_by(lease, *client_);
    const auto generation = seen.empty() ? 1 : seen.back().generation + 1;
    auto held = std::make_shared<HeldLease>(client_, times_, key, generation);
    // From here on whatever happens lets it go again.
    auto lease = std::make_unique<Lease>(shared_from_this(), held);
    ASB_CHECK(held->create());
    ASB_CHECK(held->check_alone());
    std::vector<std::string> stale;
    stale.reserve(seen.size());
    for (const auto& old : seen) stale.push_back(old.name);
    if (!stale.empty()) static_cast<void>(client_->remove(stale, false));
    enroll(std::move(held));
    return lease;
}

void Leases::enroll(std::shared_ptr<HeldLease> held) {
    const UniqueLock lock(mutex_);
    held_.push_back(std::move(held));
    if (!renewer_.joinable()) renewer_ = std::jthread([this] { run(); });
}

void Leases::drop(const std::shared_ptr<HeldLease>& held) {
    const UniqueLock lock(mutex_);
    held_.erase(std::remove(held_.begin(), held_.end(), held), held_.end());
}

void Leases::run() {
    while (wait_for_round())
        for (const auto& held : held()) held->renew();
}

// False when it is time to end.
bool Leases::wait_for_round() {
    UniqueLock lock(mutex_);
    const auto end = after(times_.renew_every);
    while (!ending_ && wake_.wait_until(lock.native(), end) != std::cv_status::timeout) {
    }
    return !ending_;
}

std::vector<std::shared_ptr<HeldLease>> Leases::held() {
    const UniqueLock lock(mutex_);
    return held_;
}

}  // namespace asb::remote
