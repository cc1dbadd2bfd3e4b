#include "ops/known_manifests.hpp"

#include <filesystem>

#include "io/file.hpp"
#include "ops/remembered.hpp"
#include "repo/kept_manifests.hpp"

namespace asb {
namespace {

// Room for the lines between the manifests.
constexpr std::size_t kFileBytesMax = 2 * kKeptBytesMax;

// Of a local folder, and of what is looked back at (?at=) once, nothing is kept.
bool is_worth_keeping(const Place& place) {
    return place.driver->scheme != "file" && place.location.find('?') == std::string::npos;
}

}  // namespace

Result<Catalog> load_known_catalog(const OpsContext& context, const Place& place,
                                   StoreReader& store) {
    const auto threads = job_count(context.settings);
    if (!is_worth_keeping(place)) return load_catalog(store, threads);
    const auto path = remembered_path(context, "manifests", store.place(), ".txt");
    std::error_code unreadable;
    const auto earlier = std::filesystem::exists(path, unreadable)
                             ? read_file(path, kFileBytesMax)
                             : Result<std::string>(std::string());
    KeptManifests kept(store, earlier ? std::string_view(*earlier) : std::string_view());
    auto catalog = load_catalog(kept, threads);
    if (!catalog || !kept.has_changed()) return catalog;
    if (const auto done = remember(path, kept.to_text()); !done.ok())
        context.log.debug("copies of the manifests in {} are not kept: {}", store.place(),
                          done.error().fact);
    return catalog;
}

}  // namespace asb
