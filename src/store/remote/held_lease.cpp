#include "store/remote/held_lease.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "store/remote/step.hpp"

namespace asb::remote {

Error held_by(const SeenLease& lease, const ObjectClient& client) {
    const auto who = lease.holder ? describe(*lease.holder) : std::string("unknown");
    return with_hint(fail(Code::busy, "{} in {} is being written by another run ({})",
                          lease.key.text(), client.place(), who),
                     "wait for the other run to end, then try again");
}

HeldLease::HeldLease(std::shared_ptr<ObjectClient> client, LeaseTimes times, ObjectKey key,
                     std::uint64_t generation)
    : client_(std::move(client)),
      times_(times),
      key_(std::move(key)),
      generation_(generation),
      holder_(new_holder()) {
    here_.emplace(holder_.writer);
}

Status HeldLease::create() {
    const UniqueLock lock(mutex_);
    auto status = write(true);
    if (status.ok() || status.error().code != Code::busy) return status;
    lost_ = true;
    return with_hint(
        fail(Code::busy, "{} in {} is being written by another run", key_.text(), client_->place()),
        "wait for the other run to end, then try again");
}

Status HeldLease::check_alone() {
    const UniqueLock lock(mutex_);
    ASB_TRY(const auto seen, see_other_leases_of(*client_, times_, key_, generation_));
    const auto other = std::find_if(seen.begin(), seen.end(), [&](const SeenLease& lease) {
        return lease.generation > generation_ || (lease.live && lease.generation < generation_);
    });
    if (other != seen.end()) return held_by(*other, *client_);
    return {};
}

void HeldLease::renew() {
    const UniqueLock lock(mutex_);
    if (!here_ || lost_) return;
    const bool doubtful = is_doubtful();
    if (doubtful && !look().ok()) return;
    if (!write(false).ok() || !doubtful) return;
    static_cast<void>(look());  // somebody may have come between the look and the write
}

Status HeldLease::check_held() {
    const UniqueLock lock(mutex_);
    ASB_CHECK(check_known());
    return is_doubtful() ? look() : Status();
}

Status HeldLease::check_known() const {
    if (lost_) return lost();
    return {};
}

void HeldLease::release() {
    const UniqueLock lock(mutex_);
    if (!here_) return;
    const bool ours = !lost_ && (!is_doubtful() || look().ok());
    if (ours && pass("store.remote.release", "cannot let go of", key_.text(), *client_).ok())
        static_cast<void>(client_->remove({lease_name(key_, generation_)}, true));
    here_.reset();
}

bool HeldLease::is_doubtful() const {
    if (!written_) return true;
    const Moment present;
    return present.steady - written_->steady > times_.check_after ||
           present.wall - written_->wall > times_.check_after;
}

Status HeldLease::write(bool once) {
    const Moment begin;
    const auto line = to_line(holder_);
    ASB_CHECK(
        client_->put(lease_name(key_, generation_), as_bytes(line),
                     {.once = once, .mark = holder_.writer, .kind = WriteOptions::Kind::lease}));
    written_ = begin;
    return {};
}

// The object of its generation may be another's: generations begin anew once all are gone.
Status HeldLease::look() {
    ASB_TRY(const auto seen, see_leases_of(*client_, times_, key_));
    const bool ours = !seen.empty() && seen.back().generation == generation_ &&
                      seen.back().holder && seen.back().holder->writer == holder_.writer;
    if (ours) return {};
    lost_ = true;
    return lost();
}

Error HeldLease::lost() const {
    return with_hint(
        fail(Code::busy, "{} in {} was taken over: this run could not renew its lease for {}",
             key_.text(), client_->place(), human_duration(times_.stale_after)),
        "this machine slept, or could not reach the store: start anew");
}

}  // namespace asb::remote
