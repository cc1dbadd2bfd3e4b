#pragma once
// Why this exists: a plain DELETE in a bucket with versions removes nothing, it only hides. What
// expires must go with every version, many in one request, and what a lock keeps must be named, not
// taken for an error.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "store/s3/channel.hpp"
#include "store/s3/versions.hpp"

namespace asb::s3 {

// Thread-safe.
class Removal {
  public:
    explicit Removal(std::shared_ptr<Channel> channel)
        : channel_(std::move(channel)), versions_(channel_) {}

    // Removes these keys (whole, with the prefix), with all versions and delete markers. Returns
    // those of which the store keeps something because of a lock or a hold.
    Result<std::vector<std::string>> remove(const std::vector<std::string>& keys,
                                            bool despite_stop);
    // Removes what can be seen under the key, so that it is no longer listed: in a bucket with
    // versions that is a delete marker.
    Status hide(const std::string& key, bool despite_stop);

  private:
    // One thing that can be deleted: an object, or one version of it.
    struct Entry {
        std::string key;
        std::string version_id;  // empty: the object itself
        bool is_marker = false;
    };
    Result<bool> has_versions(bool despite_stop);
    Result<std::vector<Entry>> entries_of(const std::vector<std::string>& keys, bool despite_stop);
    Result<std::vector<std::string>> delete_entries(const std::vector<Entry>& entries,
                                                    bool despite_stop);
    Result<std::vector<std::string>> delete_batch(const std::vector<Entry>& batch,
                                                  bool despite_stop);
    Result<std::vector<std::string>> delete_singly(const std::vector<Entry>& batch,
                                                   bool despite_stop);
    // Whether the store keeps the entry because of a lock; else an Error about `answer`.
    Result<bool> delete_one(const Entry& entry, bool despite_stop);
    Result<bool> is_locked(const Entry& entry, bool despite_stop);

    const std::shared_ptr<Channel> channel_;
    Versions versions_;
    enum class Versioned { unknown, no, yes };
    std::atomic<Versioned> versioned_{Versioned::unknown};
};

}  // namespace asb::s3
