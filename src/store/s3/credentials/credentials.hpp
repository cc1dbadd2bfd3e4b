#pragma once
// Why this exists: what a request is signed with, wherever it came from, and a source that keeps it
// fresh.

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace asb::s3 {

struct Credentials {
    std::string access_key_id;
    Secret secret_access_key;
    Secret session_token;            // empty: a long-lived key
    std::optional<Instant> expires;  // nullopt: never
    std::string source;              // "the profile 'backup' of ~/.aws/credentials", for people
};

// Thread-safe.
class CredentialSource {
  public:
    virtual ~CredentialSource() = default;
    // Those that are known, while they last for some minutes more; else fresh ones. `usage` when
    // nothing offers any, naming all that was looked at; `store` when a source failed; never a
    // value of a credential.
    virtual Result<Credentials> get() = 0;
    // The store no longer takes `refused`: the next `get` asks the source anew, unless it has done
    // so since.
    virtual void drop(const Credentials& refused) = 0;
};

}  // namespace asb::s3
