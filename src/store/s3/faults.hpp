#pragma once
// Why this exists: S3 says no in some hundred codes; operators need to know what to do about it,
// and the client whether it may try again. "Error responses" of the Amazon S3 API reference, and
// what other servers add.

#include <string>

#include "store/s3/call.hpp"
#include "store/s3/location.hpp"

namespace asb::s3 {

// The reply's refusal in one shape: of a 2xx too when it holds an <Error>.
Answer answer_of(const Call& call, HttpReply reply);

// A later try of the same may go better.
[[nodiscard]] bool is_passing(const Answer& answer);
// A passing one that may have been carried out all the same: its answer was lost on the way.
[[nodiscard]] bool may_be_done(const Answer& answer);
// Bytes were changed on the way: worth another try, but not many.
[[nodiscard]] bool is_bad_transfer(const Answer& answer);
// The credentials are no longer taken; fresh ones may be.
[[nodiscard]] bool is_expired(const Answer& answer);
// The signature was made at a time that is not the store's.
[[nodiscard]] bool is_skewed(const Answer& answer);
// The region in which the store says the bucket is; empty: it says nothing.
std::string region_told(const Answer& answer);
// A removal that the store refuses because of a lock or a hold, as far as the code tells.
[[nodiscard]] bool is_lock(std::string_view code, std::string_view message);
// The store has no such function at all.
[[nodiscard]] bool is_unsupported(const Answer& answer);
// A write or a removal that somebody in between (a log-in page) says is done: S3 answers those
// with no body.
[[nodiscard]] bool is_foreign(const Call& call, const Answer& answer);

// What an operator reads. `credentials_from` is Credentials::source.
struct Asked {
    const Location& location;
    const Call& call;
    std::string credentials_from;
};
Error error_of(const Asked& asked, const Answer& answer);
// Of a reply whose body is not what was asked for, or that never came: what was wanted of which
// bucket, in front of it. `interrupted` stays as it is.
Error error_of(const Asked& asked, Error unread);

}  // namespace asb::s3
