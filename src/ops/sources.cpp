#include "ops/sources.hpp"

#include <filesystem>
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

bool is_a_location(std::string_view text) {
    return text.find('/') != std::string_view::npos || text.starts_with('.');
}

}  // namespace

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
        return with_hint(fail(Code::usage, "this version has no store for {}://", scheme),
                         "name a folder, as in BACKUP_DIR=/var/backups/auth-service");
    return Place{driver,
                 scheme == "file" ? location.substr(std::string_view("file://").size()) : location};
}

Result<Place> repository_place(const OpsContext& context) {
    return find_place(context, context.settings.text("BACKUP_DIR"));
}

Result<Stores> open_stores(const Place& place) {
    Stores stores;
    ASB_TRY(stores.reader, place.driver->open_reader(place.location));
    ASB_TRY(stores.appender, place.driver->open_appender(place.location));
    ASB_TRY(stores.eraser, place.driver->open_eraser(place.location));
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
        ASB_TRY(reference.place, repository_place(context));
        // A bare file name in the current folder, as a shell completes it.
        const auto& place = reference.place.location;
        if (text != reference.name && std::filesystem::exists(text) &&
            !std::filesystem::exists(place + "/" + text)) {
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
    ASB_TRY(const auto store, reference.place.driver->open_reader(reference.place.location));
    ASB_TRY(const auto catalog, load_catalog(*store, job_count(context.settings)));
    const auto* latest = catalog.latest();
    if (latest == nullptr)
        return with_hint(fail(Code::not_found, "there is no backup in {}", store->place()),
                         "check BACKUP_DIR, or take one with backup.sh --type full");
    reference.name = latest->name;
    return reference;
}

}  // namespace asb
