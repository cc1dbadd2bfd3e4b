#include "net/bandwidth.hpp"

#include <algorithm>

namespace asb {

Deadline BandwidthLimit::pay(std::uint64_t bytes) {
    const auto now = std::chrono::steady_clock::now();
    if (!is_set()) return now;
    const std::chrono::duration<double> cost(static_cast<double>(bytes) /
                                             static_cast<double>(bytes_per_second_));
    const UniqueLock lock(mutex_);
    paid_until_ = std::max(paid_until_, now) + std::chrono::duration_cast<Deadline::duration>(cost);
    return paid_until_;
}

}  // namespace asb
