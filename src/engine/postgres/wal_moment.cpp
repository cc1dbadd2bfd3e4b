#include "engine/postgres/wal_moment.hpp"

namespace asb {

void WalMoment::take(const WalStream& stream, const WalStream::Event& event, Lsn boundary) {
    settle(boundary);
    if (standby_) return;
    const Lsn position{stream.position().at};
    if (event.keepalive) {
        if (asked_) pending_ = Known{position, *asked_};
        asked_ = event.keepalive->server_time;
    } else {
        asked_.reset();
        if (!event.wal.empty() && stream.server_end() <= position)
            pending_ = Known{position, stream.server_time()};
    }
    settle(boundary);
}

const WalMoment::Known& WalMoment::known(Lsn boundary) {
    settle(boundary);
    return known_;
}

void WalMoment::settle(Lsn boundary) {
    if (!pending_ || boundary < pending_->at) return;
    known_ = *pending_;
    pending_.reset();
}

}  // namespace asb
