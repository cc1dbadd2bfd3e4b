#pragma once
// Why this exists: what has failed is tried again later and later, and not by all at once.

#include <algorithm>
#include <chrono>
#include <random>

namespace asb {

// Waits twice as long after each failure; some more or less, so that many do not come back at once.
// One thread at a time.
class BackOff {
  public:
    static constexpr std::chrono::milliseconds kMin{1'000};
    static constexpr std::chrono::milliseconds kMax{30'000};

    void reset() { next_ = kMin; }
    std::chrono::milliseconds take() {
        std::uniform_real_distribution<double> jitter(0.75, 1.25);
        const auto wait =
            std::chrono::duration_cast<std::chrono::milliseconds>(next_ * jitter(random_));
        next_ = std::min(next_ * 2, kMax);
        return wait;
    }

  private:
    std::chrono::milliseconds next_ = kMin;
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace asb
