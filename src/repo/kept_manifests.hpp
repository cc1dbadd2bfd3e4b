#pragma once
// Why this exists: a manifest never changes, and ten thousand of them cost ten thousand requests to
// a store that is far away. Who only looks keeps a copy of each, and asks the store for its listing
// and for what is new in it.

#include <map>
#include <string>
#include <string_view>

#include "base/thread_annotations.hpp"
#include "store/store.hpp"

namespace asb {

// Copies beyond this are not kept: 25,000 manifests of a usual 2.5 KiB.
inline constexpr std::size_t kKeptBytesMax = 64 * kMiB;

// `store` as seen with copies. A copy is given for a manifest that the last list() shows with the
// size and the time that it had when it was copied, and whose bytes still have the digest that
// they had then; everything else the store is asked for. A list of copies proves nothing: whoever
// restores, removes or judges a history reads the manifests themselves.
//
// | call | threads                         |
// | get  | any, after list                 |
// | else | one, while no other call goes on |
class KeptManifests final : public StoreReader {
  public:
    // `store` is borrowed. `kept`: what to_text() said earlier; anything else is as if nothing had
    // been kept.
    KeptManifests(StoreReader& store, std::string_view kept);

    Result<std::vector<ObjectInfo>> list(std::string_view prefix) override;
    Status visit_names(std::string_view prefix,
                       const std::function<Status(std::string_view key)>& visit) override {
        return store_.visit_names(prefix, visit);
    }
    Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) override {
        return store_.open(key);
    }
    [[nodiscard]] std::string place() const override { return store_.place(); }
    Result<std::string> get(const ObjectKey& key, std::size_t bytes_max) override
        ASB_EXCLUDES(mutex_);

    // Whether to_text() would say anything new.
    [[nodiscard]] bool has_changed() const ASB_EXCLUDES(mutex_);
    // What to keep: the copies of all that were listed.
    [[nodiscard]] std::string to_text() const ASB_EXCLUDES(mutex_);

  private:
    struct Seen {
        std::uint64_t size = 0;
        Instant modified;
        friend bool operator==(const Seen&, const Seen&) = default;
    };
    struct Copy {
        Seen seen;
        std::string digest;  // SHA-256 of the text, in hex
        std::string text;
    };
    using Copies = std::map<std::string, Copy, std::less<>>;
    static Copies parse(std::string_view text, std::string_view place);

    StoreReader& store_;
    std::map<std::string, Seen, std::less<>> listed_;
    mutable Mutex mutex_;
    Copies copies_ ASB_GUARDED_BY(mutex_);
    bool changed_ ASB_GUARDED_BY(mutex_) = false;
};

}  // namespace asb
