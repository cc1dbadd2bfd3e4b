#include "ops/opened.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "repo/names.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

constexpr const char* kOtherCopy =
    "use another copy of this backup, or another backup (restore --list)";

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
    ASB_TRY(opened.store, resolved.place.open_reader(context));
    opened.name = resolved.name;
    const auto provider = reading_key(context);
    auto archive = open_archive(*opened.store, opened.name, provider.get());
    if (!archive)
        return damage_told(context, *opened.store, opened.name, std::move(archive.error()));
    opened.archive = std::move(*archive);
    return opened;
}

std::optional<NewestSealed> open_newest_sealed(const OpsContext& context, StoreReader& store,
                                               const Catalog& catalog) {
    const auto& entries = catalog.entries;
    const auto newest = std::find_if(entries.rbegin(), entries.rend(), [](const auto& entry) {
        return entry.state == CatalogEntry::State::ok && entry.manifest.encryption;
    });
    if (newest == entries.rend()) return std::nullopt;
    const auto provider = reading_key(context);
    const auto keys = backup_keys(store, newest->name, provider.get());
    return NewestSealed{.name = newest->name, .opens = keys ? Status() : Status(keys.error())};
}

std::string other_holder(const OpsContext& context, const std::string& here, const HasPiece& has) {
    const BriefContext hasty(context, 0);
    const auto places = repository_places(context);
    if (!places || places->size() < 2) return {};
    std::string holder;
    bool is_configured = false;
    for (const auto& place : *places) {
        const auto reader = place.open_reader(hasty.get());
        if (!reader) continue;
        if ((*reader)->place() == here)
            is_configured = true;
        else if (holder.empty() && has(hasty.get(), place, **reader))
            holder = (*reader)->place();
    }
    return is_configured ? holder : std::string();
}

std::string mended_from(const std::string& holder) {
    return fmt::format(
        "{} has it too: sync --repair writes it anew from there, and --repository {} reads it "
        "there",
        holder, holder);
}

Error damage_told(const OpsContext& context, const StoreReader& store, const std::string& name,
                  Error error) {
    if (error.code != Code::damaged) return error;
    auto told = error.within(fmt::format("{} in {}", name, store.place()));
    if (!told.hint.empty() && told.hint != kOtherCopy) return told;
    const auto holder =
        other_holder(context, store.place(),
                     [&](const OpsContext& /*hasty*/, const Place& /*place*/, StoreReader& other) {
                         return other.open(manifest_key(name)).ok();
                     });
    return with_hint(std::move(told), holder.empty() ? kOtherCopy : mended_from(holder));
}

}  // namespace asb
