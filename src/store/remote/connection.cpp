#include "store/remote/connection.hpp"

#include <algorithm>
#include <array>

namespace asb::remote {
namespace {

constexpr std::array kRemoteOptions = {
    Option{.name = "TLS_CA_FILE",
           .kind = OptionKind::path,
           .default_value = "",
           .summary = "the authorities that stores' certificates are checked with (PEM), all of "
                      "them: the system's are not asked besides; empty: the system's"},
    Option{.name = "UPLOAD_LIMIT_MB",
           .kind = OptionKind::number,
           .default_value = "0",
           .summary = "MiB a second that uploads to one remote store share; 0: no limit"},
    Option{.name = "DOWNLOAD_LIMIT_MB",
           .kind = OptionKind::number,
           .default_value = "0",
           .summary = "MiB a second that downloads from one remote store share; 0: no limit"},
    Option{.name = "STORE_RETRY_SECONDS",
           .kind = OptionKind::number,
           .default_value = "300",
           .summary = "how long a request to a remote store is tried again after errors that pass; "
                      "0: never again"},
    Option{.name = "STORE_PROXY",
           .kind = OptionKind::url,
           .default_value = "",
           .summary =
               "the proxy to remote stores, http://host:port; empty: https_proxy, http_proxy "
               "and no_proxy of the environment",
           .secret = true},
};

// A day: longer would hide an outage from those who must hear of it. Keeps the product below small.
constexpr std::uint64_t kRetrySecondsMax = 86'400;
// A terabyte a second, beyond any link; keeps the product with kMiB far from overflow.
constexpr std::uint64_t kLimitMbMax = 1'000'000;
// No wait for one answer, or for the next byte of it, is longer than the time in which the request
// may be tried again: whoever gives it ten seconds is not kept for a minute by a server that
// accepts and says nothing. A large object that keeps coming may take as long as it needs.
// Shorter than this is no wait: a busy server's first byte takes seconds.
constexpr std::chrono::seconds kAnswerLeast{10};
// Half of RetryPolicy::wait_max: what a wait is on average once it stopped growing.
constexpr std::chrono::seconds kTimePerTry{10};

std::chrono::seconds retry_time(const Settings& settings) {
    return std::chrono::seconds(std::min(settings.number("STORE_RETRY_SECONDS"), kRetrySecondsMax));
}

std::uint64_t bytes_per_second(const Settings& settings, std::string_view name) {
    return std::min(settings.number(name), kLimitMbMax) * kMiB;
}

}  // namespace

std::span<const Option> remote_options() {
    return kRemoteOptions;
}

HttpClient::Options http_options(const Settings& settings) {
    HttpClient::Options options;
    options.ca_file = settings.text("TLS_CA_FILE");
    options.proxy = settings.text("STORE_PROXY");
    options.send_bytes_per_second = bytes_per_second(settings, "UPLOAD_LIMIT_MB");
    options.receive_bytes_per_second = bytes_per_second(settings, "DOWNLOAD_LIMIT_MB");
    const std::chrono::milliseconds answer_max = std::max(retry_time(settings), kAnswerLeast);
    options.first_byte_max = std::min(options.first_byte_max, answer_max);
    options.stall_max = std::min(options.stall_max, answer_max);
    return options;
}

RetryPolicy retry_policy(const Settings& settings) {
    RetryPolicy policy;
    policy.total_max = retry_time(settings);
    policy.tries_max += static_cast<int>(retry_time(settings) / kTimePerTry);
    return policy;
}

}  // namespace asb::remote
