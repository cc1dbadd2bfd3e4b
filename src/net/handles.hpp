#pragma once
// Why this exists: libcurl's C handles, owned by unique_ptr.

#include <curl/curl.h>

#include <memory>

namespace asb {

struct CurlDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
// A type of its own: libcurl 7.88 calls both CURL and CURLM void.
struct CurlMultiDeleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using CurlEasy = std::unique_ptr<CURL, CurlDeleter>;
using CurlMulti = std::unique_ptr<CURLM, CurlMultiDeleter>;
using CurlSlist = std::unique_ptr<curl_slist, CurlDeleter>;

}  // namespace asb
