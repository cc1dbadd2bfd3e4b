#include "net/retry.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;

// Longer than any RetryPolicy goes on, and short enough that no sum of durations overflows.
constexpr std::uint64_t kRetryAfterSecondsMax = 86'400;

}  // namespace

bool is_passing_status(int status) {
    switch (status) {
        case 408:  // request timeout
        case 425:  // too early
        case 429:  // too many requests
        case 500:  // internal error
        case 502:  // bad gateway
        case 503:  // unavailable: slow down
        case 504:  // gateway timeout
            return true;
        default:
            return false;
    }
}

std::optional<milliseconds> retry_after(const HttpReply& reply, Instant now) {
    const auto text = trim(reply.headers.get("Retry-After"));
    constexpr milliseconds kMax = std::chrono::seconds(kRetryAfterSecondsMax);
    if (const auto seconds = parse_u64(text))
        return std::chrono::seconds(std::min(*seconds, kRetryAfterSecondsMax));
    if (const auto date = parse_http_date(text))
        return std::clamp(milliseconds(*date - now), milliseconds(0), kMax);
    return std::nullopt;
}

Tries::Tries(RetryPolicy policy, StopToken stop)
    : policy_(policy),
      stop_(std::move(stop)),
      end_(after(policy.total_max)),
      random_(std::random_device{}()) {}

Status Tries::wait(const Error& last, std::optional<milliseconds> wanted) {
    ++done_;
    ASB_CHECK(stop_.check());
    if (done_ >= policy_.tries_max || std::chrono::steady_clock::now() >= end_) return last;
    auto ceiling = policy_.wait_first;
    for (int i = 1; i < done_ && ceiling < policy_.wait_max; ++i) ceiling *= 2;
    ceiling = std::min(ceiling, policy_.wait_max);
    std::uniform_int_distribution<milliseconds::rep> jitter(0, ceiling.count());
    const auto wait = std::max(milliseconds(jitter(random_)), wanted.value_or(milliseconds(0)));
    return stop_.wait_until(std::min(after(wait), end_));
}

}  // namespace asb
