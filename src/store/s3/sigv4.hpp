#pragma once
// Why this exists: S3 takes a request only with a signature (AWS Signature Version 4) over its
// method, path, query, headers and the digest of its body. libcurl's own signer of version 7.88
// gets paths, queries and header values wrong. Read from "Create a signed AWS API request" and
// "Signature Calculations for the Authorization Header" of the Amazon S3 API reference.

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/thread_annotations.hpp"
#include "codec/digest.hpp"
#include "net/http.hpp"
#include "store/s3/credentials/credentials.hpp"

namespace asb::s3 {

// "20130524T000000Z"
std::string amazon_time(Instant time);

// The text whose digest is signed, by S3's rules: the path as it is sent (encoded once, nothing
// normalised), the query sorted, every header of `request` and its host.
struct CanonicalRequest {
    std::string text;
    std::string signed_headers;  // "host;x-amz-date"
};
Result<CanonicalRequest> canonical_request(const HttpRequest& request,
                                           std::string_view payload_digest_hex);

// Where a signature holds: "20130524/us-east-1/s3/aws4_request" is made of it.
struct SigningScope {
    std::string region;
    std::string service = "s3";
};

// Thread-safe: the signing key of a day is derived once and kept.
class Signer {
  public:
    // Sets X-Amz-Date, x-amz-content-sha256, x-amz-security-token where there is one, and
    // Authorization. `usage` when the request's URL is none. The headers must be final, whatever
    // is added afterwards is not protected.
    Status sign(HttpRequest& request, const Digest& body, const SigningScope& scope,
                const Credentials& credentials, Instant time);
    // The value of Authorization for a request that has its X-Amz-Date already.
    Result<std::string> authorization(const HttpRequest& request,
                                      std::string_view payload_digest_hex,
                                      const SigningScope& scope, const Credentials& credentials,
                                      Instant time);

  private:
    Digest signing_key(const Credentials& credentials, const std::string& day,
                       const SigningScope& scope);

    Mutex mutex_;
    // What `key_` was made from: a change of any of these makes it anew.
    Secret made_from_ ASB_GUARDED_BY(mutex_);
    Digest key_ ASB_GUARDED_BY(mutex_){};
};

}  // namespace asb::s3
