#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/fail_point.hpp"
#include "store/local/reservation.hpp"
#include "store/local/rights.hpp"

namespace asb::local {
namespace {

class LocalEraser : public StoreEraser {
  public:
    explicit LocalEraser(std::string root) : root_(std::move(root)) {}

    Result<std::vector<ObjectKey>> erase_all(const std::vector<ObjectKey>& keys) override {
        std::map<std::string, Spot> changed;  // one of each folder
        for (const auto& key : keys) {
            ASB_TRY(auto spot, find_spot(root_, key));
            if (!spot) continue;
            ASB_TRY(const bool removed, remove(*spot));
            if (removed) changed.try_emplace(folder_of(key), std::move(*spot));
        }
        for (const auto& [folder, spot] : changed) ASB_CHECK(sync_after_erase(spot));
        return std::vector<ObjectKey>();  // a folder locks nothing
    }

    Result<std::size_t> sweep_abandoned() override {
        std::size_t removed = 0;
        ASB_CHECK(walk(root_, "", [&](const Visit& visit) -> Status {
            if (!key_of_partial(visit)) return {};
            ASB_TRY(const auto leftover,
                    remove_if_abandoned(root_, visit.folder_fd, std::string(visit.name)));
            if (leftover == Leftover::removed) ++removed;
            return {};
        }));
        return removed;
    }

    Result<std::vector<ObjectKey>> being_written() override {
        std::vector<ObjectKey> keys;
        ASB_CHECK(walk(root_, "", [&](const Visit& visit) -> Status {
            auto key = key_of_partial(visit);
            if (!key) return {};
            ASB_TRY(const bool held, is_held(root_, visit.folder_fd, std::string(visit.name)));
            if (held) keys.push_back(std::move(*key));
            return {};
        }));
        std::sort(keys.begin(), keys.end());
        return keys;
    }

  private:
    static std::string folder_of(const ObjectKey& key) {
        return key.text().substr(0, key.text().rfind('/') + 1);
    }

    // Whether it was there.
    [[nodiscard]] Result<bool> remove(const Spot& spot) const {
        const int injected = fail_point("store.local.erase");
        if (injected != 0) return step_error(injected, "cannot remove", spot.path, root_);
        if (unlinkat(spot.folder.get(), spot.name.c_str(), 0) == 0) return true;
        if (errno == ENOENT) return false;
        return step_error(errno, "cannot remove", spot.path, root_);
    }

    // The key that a partial file stands for; nullopt for any other file, which is never touched.
    static std::optional<ObjectKey> key_of_partial(const Visit& visit) {
        const auto name = name_of_partial(visit.name);
        if (!name) return std::nullopt;
        auto key = ObjectKey::parse(fmt::format("{}{}", visit.folder_key, *name));
        return key.ok() ? std::optional(std::move(*key)) : std::nullopt;
    }

    [[nodiscard]] Status sync_after_erase(const Spot& spot) const {
        const int injected = fail_point("store.local.sync_folder");
        if (injected == 0 && fsync(spot.folder.get()) == 0) return {};
        return step_error(injected != 0 ? injected : errno, "cannot sync the folder of", spot.path,
                          root_);
    }

    const std::string root_;
};

}  // namespace

std::unique_ptr<StoreEraser> make_eraser(std::string root) {
    return std::make_unique<LocalEraser>(std::move(root));
}

}  // namespace asb::local
