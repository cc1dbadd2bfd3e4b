#pragma once
// Why this exists: how long a lease holds is one decision of three numbers, which every run that
// uses a store must share; tests shorten them.

#include <chrono>

namespace asb::remote {

// Each leaves room for the next: three renewals may fail before a lease is stale, and its holder
// doubts it a whole minute before others may take it.
struct LeaseTimes {
    std::chrono::milliseconds renew_every{45'000};
    // Its holder looks whether it is still its own before it relies on it.
    std::chrono::milliseconds check_after{120'000};
    // By the store's clock, since it was last written: others may take it over.
    std::chrono::milliseconds stale_after{180'000};
};

}  // namespace asb::remote
