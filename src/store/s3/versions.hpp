#pragma once
// Why this exists: a bucket with versions keeps what was overwritten or deleted. A location with a
// time shows what stood there then; a removal must find every version to remove something at all.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/remote/object_client.hpp"
#include "store/s3/channel.hpp"

namespace asb::s3 {

// Of one key's versions (newest first) the one that stood there at `at`; nullopt when there was
// none yet, or it stood deleted.
std::optional<ListedVersion> standing_at(const std::vector<ListedVersion>& versions, Instant at);

// Thread-safe.
class Versions {
  public:
    explicit Versions(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

    // Every version and delete marker of exactly this key, newest first; nullopt when the store
    // does not let us see versions, or knows of none (501).
    Result<std::optional<std::vector<ListedVersion>>> of_key(const std::string& key,
                                                             bool despite_stop);
    // What stood at `at` below `prefix` (whole, with the location's), named without the location's
    // prefix; pages as ObjectClient::list has them.
    Result<remote::Page> list(const std::string& prefix, const std::string& next, Instant at);
    // The version of `key` that stood there at `at`; an Error when versions cannot be seen.
    Result<std::optional<ListedVersion>> at(const std::string& key, Instant at);

  private:
    const std::shared_ptr<Channel> channel_;
};

}  // namespace asb::s3
