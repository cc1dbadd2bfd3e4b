#pragma once
// Why this exists: libcurl says a number; an operator needs to read who did what, and what to do.

#include <curl/curl.h>

#include <string>

#include "base/result.hpp"

namespace asb {

// All that is known of an exchange that libcurl gave up; `easy` is borrowed for the call.
struct CurlFailure {
    CURLcode code = CURLE_OK;
    CURL* easy = nullptr;
    std::string server = {};  // "host:port"
    std::string detail =
        {};  // libcurl's own text; shown of TLS only, elsewhere it may name too much
    std::string ca_file = {};  // empty: the system's
    bool was_reached = false;  // this server has answered before: its name has an address
};

// The same error, marked as one that a later try may not meet.
Error passing(Error error);

// Code `store`, `retryable` when a later try may go better.
Error explain(const CurlFailure& failure);

}  // namespace asb
