#include "repo/catalog.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "io/ordered_pool.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

// A store that is far away answers in tens of milliseconds, whatever this machine's cores: so many
// manifests are asked for at once at least.
constexpr std::size_t kReadersMin = 16;
// Manifests a job: fewer hand-overs than manifests, and still some jobs for each reader.
constexpr std::size_t kBatchMax = 64;
constexpr std::size_t kJobsPerReader = 4;

using Sizes = std::unordered_map<std::string, std::uint64_t>;

void mark_damaged(CatalogEntry& entry, std::string problem) {
    entry.state = CatalogEntry::State::damaged;
    entry.problem = std::move(problem);
}

// Adds the size of `key` to the entry, or marks it damaged when the object is missing or not
// `expected` bytes long.
void account(CatalogEntry& entry, const Sizes& sizes, const ObjectKey& key,
             std::optional<std::uint64_t> expected) {
    const auto found = sizes.find(key.text());
    if (found == sizes.end()) return mark_damaged(entry, fmt::format("{} is missing", key.text()));
    entry.stored_bytes += found->second;
    if (expected && *expected != found->second)
        mark_damaged(entry, fmt::format("{} is {} bytes long, its manifest says {}", key.text(),
                                        found->second, *expected));
}

CatalogEntry read_entry(StoreReader& store, const Sizes& sizes, const ObjectKey& key) {
    CatalogEntry entry;
    entry.name = std::string(without_suffix(key.text()));
    auto text = store.get(key, kManifestBytesMax);
    if (text) entry.digest = sha256(as_bytes(*text));
    auto read = text ? parse_manifest(*text, key.text()) : Result<ReadManifest>(text.error());
    if (!read) {
        entry.manifest.name = entry.name;
        mark_damaged(entry, read.error().fact);
        entry.problem_code = read.error().code;
        return entry;
    }
    entry.manifest = std::move(read->manifest);
    entry.stored_bytes = text->size();
    if (entry.manifest.name != entry.name) {
        mark_damaged(entry,
                     fmt::format("{} is the manifest of {}", key.text(), entry.manifest.name));
        return entry;
    }
    account(entry, sizes, index_key(entry.name), std::nullopt);
    account(entry, sizes,
            body_key(entry.name, entry.manifest.compressed, entry.manifest.encryption.has_value()),
            entry.manifest.body_length);
    return entry;
}

}  // namespace

// A name is the second of its beginning: oldest first is by name.
const CatalogEntry* Catalog::find(std::string_view name) const {
    const auto found = std::ranges::lower_bound(entries, name, {}, &CatalogEntry::name);
    return found == entries.end() || found->name != name ? nullptr : &*found;
}

Status Catalog::all_read() const {
    for (const auto& entry : entries)
        if (entry.problem_code == Code::store || entry.problem_code == Code::interrupted)
            return with_hint(fail(entry.problem_code, "the manifest of {} cannot be read: {}",
                                  entry.name, entry.problem),
                             "try again; if it stays so, the store's own tools say more");
    return {};
}

const CatalogEntry* Catalog::latest() const {
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
        if (entry->state == CatalogEntry::State::ok) return &*entry;
    return nullptr;
}

Result<Catalog> load_catalog(StoreReader& store, std::size_t threads) {
    ASB_TRY(const auto objects, store.list(kNamePrefix));
    Sizes sizes;
    std::vector<ObjectKey> manifests;
    for (const auto& object : objects) {
        sizes.emplace(object.key.text(), object.size);
        const auto& text = object.key.text();
        if (text.ends_with(kManifestSuffix) && is_backup_name(without_suffix(text)))
            manifests.push_back(object.key);
    }
    Catalog catalog;
    if (manifests.empty()) return catalog;
    const auto readers = std::min(std::max(threads, kReadersMin), manifests.size());
    const auto batch =
        std::clamp<std::size_t>(manifests.size() / (readers * kJobsPerReader + 1), 1, kBatchMax);
    using Range = std::pair<std::size_t, std::size_t>;
    OrderedPool<Range, std::vector<CatalogEntry>> pool(
        readers, readers * kJobsPerReader, [&](Range range) {
            std::vector<CatalogEntry> entries;
            for (auto i = range.first; i < range.second; ++i)
                entries.push_back(read_entry(store, sizes, manifests[i]));
            return entries;
        });
    const std::jthread feeder([&] {
        for (std::size_t i = 0; i < manifests.size(); i += batch)
            pool.submit({i, std::min(i + batch, manifests.size())});
        pool.finish();
    });
    while (auto entries = pool.take())
        std::ranges::move(*entries, std::back_inserter(catalog.entries));
    return catalog;
}

std::vector<ObjectKey> unpublished_leftovers(const std::vector<ObjectInfo>& first_look,
                                             const std::vector<ObjectKey>& being_written,
                                             const std::vector<ObjectInfo>& second_look) {
    std::set<std::string, std::less<>> taken;
    for (const auto& key : being_written) taken.emplace(without_suffix(key.text()));
    for (const auto& object : second_look)
        if (object.key.text().ends_with(kManifestSuffix))
            taken.emplace(without_suffix(object.key.text()));
    std::vector<ObjectKey> leftovers;
    for (const auto& object : first_look) {
        const auto name = without_suffix(object.key.text());
        if (is_backup_name(name) && name != object.key.text() && !taken.contains(name))
            leftovers.push_back(object.key);
    }
    return leftovers;
}

}  // namespace asb
