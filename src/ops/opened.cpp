#include "ops/opened.hpp"

#include "repo/repository.hpp"

namespace asb {
namespace {

// Reading with no key, or with one that may not be used, is one thing to the operator: the wrong
// key. It is remembered and said only when the backup turns out to be encrypted.
class AbsentKey final : public KeyProvider {
  public:
    explicit AbsentKey(Error why) : why_(std::move(why)) { why_.code = Code::wrong_key; }
    [[nodiscard]] std::string_view name() const override { return "none"; }
    Result<Fresh> fresh() override { return why_; }
    Result<BodyPassphrase> open(const KeyReference& /*reference*/) override { return why_; }

  private:
    Error why_;
};

}  // namespace

std::unique_ptr<KeyProvider> reading_key(const OpsContext& context) {
    auto provider = open_key_provider(context);
    if (provider) return std::move(*provider);
    return std::make_unique<AbsentKey>(provider.error());
}

Result<OpenedBackup> open_backup(const OpsContext& context, const std::string& reference) {
    OpenedBackup opened;
    ASB_TRY(const auto resolved, resolve_backup(context, reference));
    ASB_TRY(opened.store, resolved.place.driver->open_reader(resolved.place.location));
    opened.name = resolved.name;
    const auto provider = reading_key(context);
    ASB_TRY(opened.archive, open_archive(*opened.store, opened.name, provider.get()));
    return opened;
}

}  // namespace asb
