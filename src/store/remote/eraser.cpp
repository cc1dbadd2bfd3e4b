#include <algorithm>

#include "store/remote/rights.hpp"
#include "store/remote/seen_lease.hpp"
#include "store/remote/step.hpp"

namespace asb::remote {
namespace {

// Amazon S3 API reference, "DeleteObjects": up to 1000 keys; where each is a request of its own it
// bounds what one call does.
constexpr std::size_t kBatch = 1000;
// An upload of a live run is younger: no part of one takes long, but a large object may take hours.
constexpr std::chrono::hours kUploadAgeMax{24};

class RemoteEraser : public StoreEraser {
  public:
    RemoteEraser(std::shared_ptr<ObjectClient> client, LeaseTimes times)
        : client_(std::move(client)), times_(times) {}

    Result<std::vector<ObjectKey>> erase_all(const std::vector<ObjectKey>& keys) override {
        std::vector<ObjectKey> kept;
        for (std::size_t begin = 0; begin < keys.size(); begin += kBatch) {
            std::vector<std::string> names;
            const auto end = std::min(begin + kBatch, keys.size());
            names.reserve(end - begin);
            for (auto i = begin; i < end; ++i) names.push_back(keys[i].text());
            ASB_CHECK(pass("store.remote.erase", "cannot remove", names.front(), *client_));
            ASB_TRY(const auto locked, client_->remove(names, false));
            for (auto i = begin; i < end; ++i)
                if (std::find(locked.begin(), locked.end(), keys[i].text()) != locked.end())
                    kept.push_back(keys[i]);
        }
        return kept;
    }

    Result<std::size_t> sweep_abandoned() override {
        ASB_TRY(const auto leases, see_leases(*client_, times_));
        std::vector<std::string> stale;
        for (const auto& lease : leases)
            if (!lease.live) stale.push_back(lease.name);
        ASB_TRY(const auto removed, remove_leases(stale));
        ASB_TRY(const auto uploads, client_->abort_uploads(client_->store_time() - kUploadAgeMax));
        return removed + uploads;
    }

    Result<std::vector<ObjectKey>> being_written() override {
        ASB_TRY(const auto leases, see_leases(*client_, times_));
        std::vector<ObjectKey> keys;
        for (const auto& lease : leases)
            if (lease.live) keys.push_back(lease.key);
        std::sort(keys.begin(), keys.end());
        keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
        return keys;
    }

  private:
    // How many went; a lease that a bucket's own retention keeps is swept once it lets go.
    Result<std::size_t> remove_leases(const std::vector<std::string>& names) {
        if (names.empty()) return std::size_t{0};
        ASB_CHECK(pass("store.remote.erase", "cannot remove", names.front(), *client_));
        ASB_TRY(const auto locked, client_->remove(names, false));
        return names.size() - locked.size();
    }

    const std::shared_ptr<ObjectClient> client_;
    const LeaseTimes times_;
};

}  // namespace

std::unique_ptr<StoreEraser> make_eraser(std::shared_ptr<ObjectClient> client, LeaseTimes times) {
    return std::make_unique<RemoteEraser>(std::move(client), times);
}

}  // namespace asb::remote
