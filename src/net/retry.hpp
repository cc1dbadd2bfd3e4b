#pragma once
// Why this exists: what failed for a reason that passes is asked again, later and later, at random
// moments, so that many clients of a struggling server do not come back at once; and not for ever.

#include <chrono>
#include <optional>
#include <random>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"
#include "net/http.hpp"

namespace asb {

struct RetryPolicy {
    int tries_max = 8;
    // Full jitter: before try n+1 a random wait between 0 and min(wait_max, wait_first * 2^(n-1)).
    std::chrono::milliseconds wait_first{250};
    std::chrono::milliseconds wait_max{20'000};
    // From the first try on; no wait goes beyond it.
    std::chrono::milliseconds total_max{300'000};
};

// Whether a reply with this status may be different later: 408, 425, 429, 500, 502, 503, 504
// (RFC 9110; Amazon S3 and Google Cloud Storage both name these).
[[nodiscard]] bool is_passing_status(int status);

// What Retry-After says, in seconds or as a date; nullopt when it is missing or not understood.
std::optional<std::chrono::milliseconds> retry_after(const HttpReply& reply, Instant now);

// The tries of one request. One thread at a time.
class Tries {
  public:
    Tries(RetryPolicy policy, StopToken stop);
    // Waits before the next try; `wanted` is what the server asked for (Retry-After), and is obeyed
    // up to the policy's total. Returns `last` when no try is left, `interrupted` as soon as a stop
    // is requested.
    Status wait(const Error& last, std::optional<std::chrono::milliseconds> wanted = std::nullopt);
    [[nodiscard]] int done() const { return done_; }  // tries that have failed

  private:
    RetryPolicy policy_;
    StopToken stop_;
    Deadline end_;
    int done_ = 0;
    std::minstd_rand random_;
};

}  // namespace asb
