#pragma once
// Why this exists: whom a remote store trusts, through which proxy, how fast and how long it tries
// is the same question for every one of them, and is asked by the same settings.

#include <span>

#include "base/settings.hpp"
#include "net/http.hpp"
#include "net/retry.hpp"

namespace asb::remote {

// TLS_CA_FILE, UPLOAD_LIMIT_MB, DOWNLOAD_LIMIT_MB, STORE_RETRY_SECONDS, STORE_PROXY: rows that
// every remote driver reads and none of them owns.
std::span<const Option> remote_options();

HttpClient::Options http_options(const Settings& settings);
RetryPolicy retry_policy(const Settings& settings);

}  // namespace asb::remote
