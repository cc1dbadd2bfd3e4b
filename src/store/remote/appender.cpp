#include "store/remote/rights.hpp"
#include "store/remote/step.hpp"
#include "store/remote/writer.hpp"

namespace asb::remote {
namespace {

class RemoteAppender : public StoreAppender {
  public:
    RemoteAppender(std::shared_ptr<ObjectClient> client, LeaseTimes times)
        : client_(std::move(client)), leases_(std::make_shared<Leases>(client_, times)) {}

    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override {
        ASB_CHECK(pass("store.remote.create", "cannot write", key.text(), *client_));
        ASB_TRY(auto lease, leases_->take(key));
        // Only now: from here on nobody else can publish it.
        ASB_TRY(const auto found, client_->look(key.text()));
        if (found) return taken(key.text(), *client_);
        return std::unique_ptr<ObjectWriter>(
            std::make_unique<RemoteWriter>(client_, key, std::move(lease)));
    }

    // One conditional request needs no lease; what needs parts goes the long way.
    Status put(const ObjectKey& key, Bytes bytes) override {
        if (bytes.size() > client_->part_bytes(0)) return StoreAppender::put(key, bytes);
        ASB_CHECK(pass("store.remote.put", "cannot publish", key.text(), *client_));
        return or_taken(client_->put(key.text(), bytes, {.once = true, .mark = new_mark()}),
                        key.text(), *client_);
    }

    Result<std::optional<std::uint64_t>> free_space() override {
        return std::optional<std::uint64_t>();
    }

  private:
    const std::shared_ptr<ObjectClient> client_;
    const std::shared_ptr<Leases> leases_;  // its writers have it too
};

}  // namespace

std::unique_ptr<StoreAppender> make_appender(std::shared_ptr<ObjectClient> client,
                                             LeaseTimes times) {
    return std::make_unique<RemoteAppender>(std::move(client), times);
}

}  // namespace asb::remote
