#include <algorithm>
#include <string>
#include <vector>

#include "store/remote/pages.hpp"
#include "store/remote/rights.hpp"

namespace asb::remote {
namespace {

Error missing(const ObjectKey& key, const ObjectClient& client) {
    return fail(Code::not_found, "there is no {} in {}", key.text(), client.place());
}

// As it was when it was opened: every range is asked of that very version.
class RemoteObject : public StoredObject {
  public:
    RemoteObject(std::shared_ptr<ObjectClient> client, ObjectKey key, const Found& found)
        : client_(std::move(client)),
          key_(std::move(key)),
          version_(found.version),
          checksum_(found.checksum),
          size_(found.size) {}

    [[nodiscard]] std::uint64_t size() const override { return size_; }

    [[nodiscard]] std::string checksum() const override { return checksum_; }

    Status read_at(std::uint64_t offset, MutableBytes out) override {
        if (offset > size_ || out.size() > size_ - offset)
            return fail(Code::damaged,
                        "{} in {} ends at byte {}, before byte {} + {} that should be there",
                        key_.text(), client_->place(), size_, offset, out.size());
        if (out.empty()) return {};
        auto status = client_->read(key_.text(), version_, offset, out);
        if (status.ok() || !may_be_of_another_version(status.error())) return status;
        return explain(std::move(status.error()));
    }

  private:
    // Stores answer 404 or 412 (a precondition that does not hold) for a version that is not there.
    static bool may_be_of_another_version(const Error& error) {
        return error.code == Code::not_found || error.code == Code::busy;
    }

    Error explain(Error error) {
        const auto found = client_->look(key_.text());
        if (!found.ok()) return error;
        if (!found.value()) return missing(key_, *client_);
        if (found.value()->version == version_) return error;
        return with_hint(fail(Code::damaged, "{} in {} was replaced while it was being read",
                              key_.text(), client_->place()),
                         "objects of a repository are never replaced: look at who else writes "
                         "there");
    }

    const std::shared_ptr<ObjectClient> client_;
    const ObjectKey key_;
    const std::string version_;
    const std::string checksum_;
    const std::uint64_t size_;
};

class RemoteReader : public StoreReader {
  public:
    explicit RemoteReader(std::shared_ptr<ObjectClient> client) : client_(std::move(client)) {}

    Result<std::vector<ObjectInfo>> list(std::string_view prefix) override {
        std::vector<ObjectInfo> objects;
        ASB_CHECK(visit_found(*client_, prefix, [&](const Found& found) -> Status {
            if (ObjectKey::is_valid(found.name))
                objects.push_back({.key = ObjectKey::known(found.name),
                                   .size = found.size,
                                   .modified = found.modified});
            return {};
        }));
        std::sort(objects.begin(), objects.end(),
                  [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
        return objects;
    }

    Status visit_names(std::string_view prefix,
                       const std::function<Status(std::string_view key)>& visit) override {
        return visit_found(*client_, prefix, [&](const Found& found) -> Status {
            return ObjectKey::is_valid(found.name) ? visit(found.name) : Status();
        });
    }

    Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) override {
        ASB_TRY(const auto found, client_->look(key.text()));
        if (!found) return missing(key, *client_);
        return std::unique_ptr<StoredObject>(std::make_unique<RemoteObject>(client_, key, *found));
    }

    // In one request, where open and read_at are two.
    Result<std::string> get(const ObjectKey& key, std::size_t bytes_max) override {
        auto text = client_->get(key.text(), bytes_max);
        if (text.ok()) return text;
        if (text.error().code == Code::not_found) return missing(key, *client_);
        if (text.error().code != Code::damaged) return text;
        const auto found = client_->look(key.text());
        if (!found.ok() || !found.value() || found.value()->size <= bytes_max) return text;
        return fail(Code::damaged, "{} in {} has {} bytes, more than the {} it may have",
                    key.text(), place(), found.value()->size, bytes_max);
    }

    [[nodiscard]] std::string place() const override { return client_->place(); }

  private:
    const std::shared_ptr<ObjectClient> client_;
};

}  // namespace

std::unique_ptr<StoreReader> make_reader(std::shared_ptr<ObjectClient> client) {
    return std::make_unique<RemoteReader>(std::move(client));
}

}  // namespace asb::remote
