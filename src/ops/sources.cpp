#include "ops/sources.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/text.hpp"
#include "repo/catalog.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

const EngineDriver* driver_for_scheme(const Drivers& drivers, std::string_view scheme) {
    for (const auto* driver : drivers.engines)
        for (const auto candidate : driver->url_schemes)
            if (candidate == scheme) return driver;
    return nullptr;
}

std::string database_types(const Drivers& drivers) {
    std::vector<std::string> names;
    for (const auto* driver : drivers.engines)
        if (!driver->url_schemes.empty()) names.emplace_back(driver->name);
    return join(names, ", ");
}

bool is_number(std::string_view text) {
    return text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A password's own @ or / ends it too early: the rest of it would be taken for a host, and shown.
Status check_password_is_escaped(const std::string& url) {
    const auto rest = std::string_view(url).substr(url.find("://") + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?#"));
    const auto ats = std::ranges::count(authority, '@');
    const auto colon = authority.rfind(':');
    const bool ends_early = ats == 0 && rest.find('@') != std::string_view::npos &&
                            colon != std::string_view::npos &&
                            !is_number(authority.substr(colon + 1));
    if (ats < 2 && !ends_early) return {};
    return with_hint(fail(Code::usage,
                          "the user or the password in DATABASE_URL holds one of @ : / ? # as it "
                          "is"),
                     "write it as %40 %3A %2F %3F %23");
}

// DATABASE_TYPE only decides what the URL must be; its default is taken to be whatever the URL
// says.
Result<const EngineDriver*> database_driver(const OpsContext& context) {
    const auto& url = context.settings.text("DATABASE_URL");
    const auto& type = context.settings.text("DATABASE_TYPE");
    const bool type_given = !context.settings.is_default("DATABASE_TYPE");
    if (url.empty())
        return with_hint(fail(Code::usage, "no database is named: DATABASE_URL is empty"),
                         "set DATABASE_URL, as in DATABASE_URL=mongodb://localhost/auth_service or "
                         "DATABASE_URL=postgresql://backup@localhost/auth_service");
    const auto scheme = scheme_of(url);
    if (scheme.empty())
        return with_hint(
            fail(Code::usage, "DATABASE_URL is not a URL: it does not begin with SCHEME://"),
            "write it as in DATABASE_URL=mongodb://localhost/auth_service or "
            "DATABASE_URL=postgresql://backup@localhost/auth_service");
    ASB_CHECK(check_password_is_escaped(url));
    const auto* driver = driver_for_scheme(context.drivers, scheme);
    if (type_given && driver != nullptr && driver->name != type)
        return with_hint(
            fail(Code::usage, "DATABASE_TYPE={} contradicts DATABASE_URL, which begins with {}://",
                 type, scheme),
            fmt::format("set DATABASE_TYPE={}, or correct DATABASE_URL", driver->name));
    if (driver == nullptr)
        return with_hint(
            fail(Code::usage, "this version cannot back up a database of type '{}'", scheme),
            fmt::format("set DATABASE_URL to a database of one of these types: {}",
                        database_types(context.drivers)));
    return driver;
}

Result<std::string> newest_name(const OpsContext& context, const Place& place) {
    ASB_TRY(const auto reader, place.open_reader(context));
    return newest_name(*reader);
}

// The first of `places` that has a backup of that name; the first of all when none has.
Result<Place> place_of(const OpsContext& context, const std::vector<Place>& places,
                       const std::string& name) {
    if (places.size() == 1) return places.front();
    const auto key = ObjectKey::parse(fmt::format("{}{}", name, kManifestSuffix));
    for (const auto& place : places) {
        if (!key) break;
        ASB_TRY(const auto reader, place.open_reader(context));
        if (reader->open(*key)) return place;
    }
    return places.front();
}

bool is_a_location(std::string_view text) {
    return text.find('/') != std::string_view::npos || text.starts_with('.');
}

}  // namespace

Result<std::uint64_t> number_between(const Settings& settings, std::string_view name,
                                     std::uint64_t least, std::uint64_t most) {
    const auto value = settings.number(name);
    if (value >= least && value <= most) return value;
    return with_hint(fail(Code::usage, "{}={} is not possible", name, value),
                     fmt::format("set {} to a number from {} to {}", name, least, most));
}

std::size_t job_count(const Settings& settings) {
    constexpr std::size_t kJobsMax = 64;
    const auto wanted = settings.number("BACKUP_JOBS");
    if (wanted != 0) return std::min<std::size_t>(wanted, kJobsMax);
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kJobsMax);
}

Result<std::unique_ptr<Engine>> open_database_engine(const OpsContext& context) {
    ASB_TRY(const auto* driver, database_driver(context));
    return driver->open(context.settings);
}

Result<std::vector<std::unique_ptr<Engine>>> open_engines(const OpsContext& context,
                                                          BackupType type) {
    std::vector<std::unique_ptr<Engine>> engines;
    if (type != BackupType::config) {
        ASB_TRY(auto database, open_database_engine(context));
        engines.push_back(std::move(database));
    }
    for (const auto* driver : context.drivers.engines)
        if (driver->url_schemes.empty()) engines.push_back(driver->open(context.settings));
    return engines;
}

Result<std::unique_ptr<Engine>> open_engine_named(const OpsContext& context,
                                                  std::string_view name) {
    if (const auto* driver = context.drivers.engine(name)) return driver->open(context.settings);
    return with_hint(
        fail(Code::usage, "this version cannot restore what the engine '{}' wrote",
             printable(name)),
        "use the version of auth-service-backup that wrote the backup, or a newer one");
}

Result<Place> find_place(const OpsContext& context, const std::string& location) {
    const auto scheme = scheme_of(location);
    const auto* driver = context.drivers.store(scheme);
    if (driver == nullptr)
        return with_hint(
            fail(Code::usage, "this version has no store for {}://", scheme),
            "name a folder or the URL of a bucket: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX");
    return Place{driver,
                 scheme == "file" ? location.substr(std::string_view("file://").size()) : location};
}

Result<std::vector<Place>> repository_places(const OpsContext& context) {
    std::vector<Place> places;
    for (const auto* driver : context.drivers.stores)
        if (auto location = driver->configured(context.settings); !location.empty())
            places.push_back({driver, std::move(location)});
    if (!places.empty()) return places;
    return with_hint(fail(Code::usage, "no repository is named: BACKUP_DIR is none"),
                     "set BACKUP_DIR, S3_BUCKET or GCS_BUCKET");
}

Result<std::optional<Place>> named_repository(const OpsContext& context) {
    const auto& named = context.settings.text("REPOSITORY");
    if (named.empty()) return std::optional<Place>();
    ASB_TRY(auto place, find_place(context, named));
    std::error_code unreadable;  // told by the store itself
    if (place.driver->scheme != "file" || std::filesystem::exists(place.location, unreadable) ||
        unreadable)
        return std::optional(std::move(place));
    return with_hint(fail(Code::not_found, "there is no folder {}", printable(place.location)),
                     "is it mounted? a bucket is written as s3://BUCKET/PREFIX or "
                     "gs://BUCKET/PREFIX");
}

Result<std::vector<Place>> readable_places(const OpsContext& context) {
    ASB_TRY(auto named, named_repository(context));
    if (named) return std::vector<Place>{std::move(*named)};
    ASB_TRY(auto places, repository_places(context));
    if (places.size() == 1) return places;
    const BriefContext brief(context);
    const auto names = for_each_place(
        places.size(), [&](std::size_t i) { return newest_name(brief.get(), places[i]); });
    ASB_CHECK(context.stop.check());
    std::vector<std::pair<std::string, Place>> found;
    std::optional<Error> first;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (names[i]) {
            found.emplace_back(*names[i], std::move(places[i]));
            continue;
        }
        context.log.warning("{} is passed over: {}", places[i].location, names[i].error().fact);
        if (!first) first = names[i].error();
    }
    if (found.empty()) return *first;
    std::ranges::stable_sort(found, std::greater(), [](const auto& one) { return one.first; });
    places.clear();
    for (auto& [newest, place] : found) places.push_back(std::move(place));
    return places;
}

Result<std::string> newest_name(StoreReader& reader) {
    ASB_TRY(const auto objects, reader.list(kNamePrefix));
    const auto newest = std::find_if(
        objects.rbegin(), objects.rend(),
        [](const ObjectInfo& object) { return object.key.text().ends_with(kManifestSuffix); });
    return newest == objects.rend() ? std::string() : newest->key.text();
}

BriefContext::BriefContext(const OpsContext& context, std::uint64_t seconds)
    : settings_(context.settings), context_{settings_,    context.drivers,
                                            context.log,  context.progress,
                                            context.stop, context.tool_version} {
    constexpr std::string_view kName = "STORE_RETRY_SECONDS";
    const auto known = context.settings.all().find(kName);
    if (known == context.settings.all().end() || context.settings.number(kName) <= seconds) return;
    settings_.set(*known->second.option, std::to_string(seconds), known->second.origin);
}

Status ask(StoreReader& reader) {
    // One object that every repository has, or has not: both are an answer.
    const auto note = reader.open(ObjectKey::known(std::string(kRecoveryNoteKey)));
    if (note || note.error().code == Code::not_found) return {};
    return note.error();
}

Result<std::unique_ptr<StoreReader>> Place::open_reader(const OpsContext& context) const {
    return driver->open_reader(location, store_context(context));
}

std::string Place::room_warning(const OpsContext& context) const {
    return driver->room_warning == nullptr ? std::string()
                                           : driver->room_warning(location, context.settings);
}

Result<std::optional<std::uint64_t>> Place::check_writable(const OpsContext& context) const {
    return driver->check_writable(location, store_context(context));
}

Result<Stores> open_stores(const OpsContext& context, const Place& place) {
    return open_stores(context, place, context.stop);
}

Result<Stores> open_stores(const OpsContext& context, const Place& place, StopToken appending) {
    const auto with = store_context(context);
    auto for_appender = with;
    for_appender.stop = std::move(appending);
    Stores stores;
    ASB_TRY(stores.reader, place.driver->open_reader(place.location, with));
    ASB_TRY(stores.appender, place.driver->open_appender(place.location, for_appender));
    ASB_TRY(stores.eraser, place.driver->open_eraser(place.location, with));
    return stores;
}

Result<std::unique_ptr<KeyProvider>> open_key_provider(const OpsContext& context) {
    ASB_ASSERT(!context.drivers.keys.empty());
    return context.drivers.keys.front()->open(context.settings);
}

Result<BackupReference> parse_reference(const OpsContext& context, const std::string& text) {
    BackupReference reference;
    if (text.empty())
        return with_hint(fail(Code::usage, "no backup is named"),
                         "give a path, a name, or 'latest' (restore --list)");
    const auto slash = text.rfind('/');
    const auto file = slash == std::string::npos ? text : text.substr(slash + 1);
    reference.name = std::string(without_suffix(file));
    if (is_a_location(text)) {
        const auto folder = slash == std::string::npos ? std::string(".")
                            : slash == 0               ? "/"
                                                       : text.substr(0, slash);
        ASB_TRY(reference.place, find_place(context, folder));
    } else {
        ASB_TRY(const auto places, readable_places(context));
        ASB_TRY(reference.place, place_of(context, places, reference.name));
        // A bare file name in the current folder, as a shell completes it.
        const auto& place = reference.place.location;
        std::error_code unreadable;  // then it is not here
        if (text != reference.name && std::filesystem::exists(text, unreadable) &&
            !std::filesystem::exists(place + "/" + text, unreadable)) {
            ASB_TRY(reference.place, find_place(context, "."));
        }
    }
    const auto key = ObjectKey::parse(reference.name);
    if (!key)
        return with_hint(fail(Code::not_found, "'{}' is not the name of a backup", printable(text)),
                         "restore --list shows the names");
    return reference;
}

Result<BackupReference> resolve_backup(const OpsContext& context, const std::string& text) {
    ASB_TRY(auto reference, parse_reference(context, text));
    if (reference.name != "latest") return reference;
    ASB_TRY(const auto store, reference.place.open_reader(context));
    ASB_TRY(const auto catalog, load_catalog(*store, job_count(context.settings)));
    const auto* latest = catalog.latest();
    if (latest == nullptr) ASB_CHECK(catalog.all_read());
    if (latest == nullptr)
        return with_hint(fail(Code::not_found, "there is no backup in {}", store->place()),
                         "check BACKUP_DIR, or take one with backup.sh --type full");
    reference.name = latest->name;
    return reference;
}

}  // namespace asb
