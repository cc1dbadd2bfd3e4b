#pragma once
// Why this exists: one request to S3 as the client means it, before it has a host, a signature or a
// second try; and what came of it.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "codec/digest.hpp"
#include "net/http.hpp"
#include "store/s3/endpoint.hpp"
#include "store/s3/replies.hpp"

namespace asb::s3 {

struct Call {
    // For errors: "cannot <action> s3://bucket/key", and which permission that takes.
    std::string_view action;
    std::string_view permission;
    std::string method = "GET";
    std::string key = {};  // whole, with the prefix; empty: the bucket is asked
    Query query = {};
    HttpHeaders headers = {};
    Bytes body = {};  // borrowed
    // Of the body, where it is known already: large ones are read for it only once.
    std::optional<Digest> body_digest = {};
    MutableBytes into = {};  // as HttpRequest has it
    std::size_t reply_bytes_max = 16 * kMiB;
    // Asked before what may have been done already is tried again: true ends the call as if it had
    // been answered with 200 and nothing else. Empty: to do it twice does no harm.
    std::function<Result<bool>()> is_done = {};
    // Tidying up: with a short deadline, whether or not a stop was requested.
    bool despite_stop = false;
};

struct Answer {
    HttpReply reply;
    // Of a reply that says no, as far as it told; its code may be empty.
    ErrorReply error = {};
    // A 200 may hold an <Error> ("CompleteMultipartUpload").
    [[nodiscard]] bool ok() const {
        return reply.status >= 200 && reply.status < 300 && error.code.empty();
    }
};

}  // namespace asb::s3
