#include "store/gcs/gcs_store.hpp"

#include <array>

#include "base/text.hpp"
#include "store/gcs/client.hpp"
#include "store/remote/connection.hpp"
#include "store/remote/rights.hpp"

namespace asb {
namespace {

constexpr const char* kGoogleEndpoint = "https://storage.googleapis.com";
// "Object retention lock": a hundred years.
constexpr std::uint64_t kRetainDaysMax = 36'500;

constexpr std::array kOptions = {
    Option{.name = "GCS_BUCKET",
           .kind = OptionKind::text,
           .default_value = "",
           .summary = "the bucket of Google Cloud Storage that backups go to"},
    Option{.name = "GCS_PREFIX",
           .kind = OptionKind::text,
           .default_value = "",
           .summary = "what the names of all objects in GCS_BUCKET begin with, as in team/auth"},
    Option{.name = "GOOGLE_APPLICATION_CREDENTIALS",
           .kind = OptionKind::path,
           .default_value = "",
           .summary = "a credentials file of Google; empty: gcloud's application-default login, "
                      "else this machine's service account"},
    Option{.name = "GCS_STORAGE_CLASS",
           .kind = OptionKind::choice,
           .default_value = "default",
           .summary = "the storage class of backups; default: the bucket's",
           .choices = "default|STANDARD|NEARLINE|COLDLINE|ARCHIVE"},
    Option{.name = "GCS_KMS_KEY",
           .kind = OptionKind::text,
           .default_value = "",
           .summary =
               "the Cloud KMS key of objects, projects/P/locations/L/keyRings/R/cryptoKeys/K; "
               "empty: the bucket's"},
    Option{.name = "GCS_EVENT_BASED_HOLD",
           .kind = OptionKind::boolean,
           .default_value = "false",
           .summary = "backups get an event-based hold"},
    Option{.name = "GCS_TEMPORARY_HOLD",
           .kind = OptionKind::boolean,
           .default_value = "false",
           .summary = "backups get a temporary hold"},
    Option{.name = "GCS_RETAIN_DAYS",
           .kind = OptionKind::number,
           .default_value = "0",
           .summary = "for how many days backups are locked against removal; 0: not at all"},
    Option{.name = "GCS_RETAIN_MODE",
           .kind = OptionKind::choice,
           .default_value = "unlocked",
           .summary = "who may shorten GCS_RETAIN_DAYS of a backup: unlocked: whoever has "
                      "storage.objects.overrideUnlockedRetention; locked: nobody",
           .choices = "unlocked|locked"},
    Option{.name = "STORAGE_EMULATOR_HOST",
           .kind = OptionKind::text,
           .default_value = "",
           .summary = "an emulator of Google Cloud Storage for tests, host:port or a URL"},
    Option{.name = "GCE_METADATA_HOST",
           .kind = OptionKind::text,
           .default_value = "",
           .summary = "the metadata server; empty: metadata.google.internal"},
};

std::string configured(const Settings& settings) {
    const auto& bucket = settings.text("GCS_BUCKET");
    if (bucket.empty()) return {};
    const auto& prefix = settings.text("GCS_PREFIX");
    return prefix.empty() ? fmt::format("gs://{}", bucket)
                          : fmt::format("gs://{}/{}", bucket, prefix);
}

// `host:port` means http, as in Google's own libraries.
Result<std::string> endpoint(const Settings& settings) {
    const auto& emulator = settings.text("STORAGE_EMULATOR_HOST");
    if (emulator.empty()) return std::string(kGoogleEndpoint);
    const bool is_url = emulator.find("://") != std::string::npos;
    const auto url = parse_http_url(is_url ? emulator : fmt::format("http://{}", emulator));
    if (!url.ok())
        return with_hint(fail(Code::usage, "STORAGE_EMULATOR_HOST='{}' is no host:port and no URL",
                              printable(emulator)),
                         "write it as in STORAGE_EMULATOR_HOST=127.0.0.1:4443");
    if (url->scheme == "http" && !url->is_loopback() &&
        !settings.text("GOOGLE_APPLICATION_CREDENTIALS").empty())
        return with_hint(
            fail(Code::usage, "an access token would go to {} in clear text", url->authority()),
            "use https in STORAGE_EMULATOR_HOST, or unset "
            "GOOGLE_APPLICATION_CREDENTIALS");
    return url->origin();
}

Result<gcs::Keeping> keeping(const Settings& settings) {
    gcs::Keeping keeping;
    if (const auto& name = settings.text("GCS_STORAGE_CLASS"); name != "default")
        keeping.storage_class = name;
    keeping.kms_key = settings.text("GCS_KMS_KEY");
    keeping.event_based_hold = settings.flag("GCS_EVENT_BASED_HOLD");
    keeping.temporary_hold = settings.flag("GCS_TEMPORARY_HOLD");
    keeping.retain_days = settings.number("GCS_RETAIN_DAYS");
    keeping.is_retention_locked = settings.text("GCS_RETAIN_MODE") == "locked";
    if (keeping.retain_days > kRetainDaysMax)
        return with_hint(fail(Code::usage, "GCS_RETAIN_DAYS={} is more than a hundred years",
                              keeping.retain_days),
                         fmt::format("set it to {} at most", kRetainDaysMax));
    return keeping;
}

Result<gcs::ClientOptions> client_options(const std::string& text, const Settings& settings) {
    ASB_TRY(auto location, gcs::parse_location(text));
    ASB_TRY(auto how_kept, keeping(settings));
    ASB_TRY(auto where, endpoint(settings));
    ASB_TRY(auto credentials, gcs::find_credentials(settings));
    auto place = location.place();
    return gcs::ClientOptions{
        .location = std::move(location),
        .keeping = std::move(how_kept),
        .service = {.place = std::move(place),
                    .endpoint = std::move(where),
                    .credentials = std::move(credentials),
                    .http = remote::http_options(settings),
                    .retry = remote::retry_policy(settings)},
        .asks_how_far = settings.text("STORAGE_EMULATOR_HOST").empty(),
    };
}

Result<gcs::ClientOptions> writing_options(const std::string& text, const Settings& settings) {
    ASB_TRY(auto options, client_options(text, settings));
    if (options.location.at)
        return with_hint(
            fail(Code::usage, "{} at an earlier time can only be read", options.location.place()),
            "leave ?at= away");
    return options;
}

Result<std::unique_ptr<StoreReader>> open_reader(const std::string& location,
                                                 const StoreContext& context) {
    ASB_TRY(auto options, client_options(location, context.settings));
    return remote::make_reader(gcs::make_client(std::move(options), context.stop));
}

Result<std::unique_ptr<StoreAppender>> open_appender(const std::string& location,
                                                     const StoreContext& context) {
    ASB_TRY(auto options, writing_options(location, context.settings));
    return remote::make_appender(gcs::make_client(std::move(options), context.stop));
}

Result<std::unique_ptr<StoreEraser>> open_eraser(const std::string& location,
                                                 const StoreContext& context) {
    ASB_TRY(auto options, writing_options(location, context.settings));
    return remote::make_eraser(gcs::make_client(std::move(options), context.stop));
}

Result<std::optional<std::uint64_t>> check_writable(const std::string& location,
                                                    const StoreContext& context) {
    ASB_TRY(auto options, writing_options(location, context.settings));
    ASB_CHECK(gcs::check_writable(std::move(options), context.stop));
    return std::optional<std::uint64_t>();
}

}  // namespace

const StoreDriver kGcsStore = {
    .scheme = "gs",
    .summary = "a bucket of Google Cloud Storage",
    .options = kOptions,
    .configured = configured,
    .open_reader = open_reader,
    .open_appender = open_appender,
    .open_eraser = open_eraser,
    .check_writable = check_writable,
};

}  // namespace asb
