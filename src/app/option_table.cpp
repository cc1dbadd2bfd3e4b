#include "app/option_table.hpp"

#include <array>

#include "base/text.hpp"
#include "ops/retention_settings.hpp"

namespace asb {
namespace {

constexpr std::array kProgramOptions = {
    Option{.name = "DATABASE_TYPE",
           .kind = OptionKind::choice,
           .default_value = "mongodb",
           .summary = "what DATABASE_URL must name; when it is not set, the URL's scheme decides",
           .choices = "mongodb|postgresql"},
    Option{.name = "DATABASE_URL",
           .kind = OptionKind::url,
           .default_value = "",
           .summary = "the database of the auth service, as a URL; MONGODB_URL, POSTGRES_URL or "
                      "POSTGRESQL_URL stand in when it is empty",
           .secret = true},
    Option{.name = "REQUIRED_DESTINATIONS",
           .default_value = "all",
           .summary = "how many of BACKUP_DIR, S3_BUCKET and GCS_BUCKET must have a backup for it "
                      "to count as done: `all`, `any` or a number"},
    Option{.name = "SLOW_DESTINATION_SECONDS",
           .kind = OptionKind::number,
           .default_value = "600",
           .summary = "backup: how long in all a destination that is not required may hold up the "
                      "others before it is left out; 1 to 86400"},
    Option{.name = "REPOSITORY",
           .default_value = "",
           .summary = "the one repository that list, verify, restore, explain, hold and expire "
                      "work with: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; empty: all "
                      "that are configured and can be reached"},
    Option{.name = "COMPRESSION_ENABLED",
           .kind = OptionKind::boolean,
           .default_value = "true",
           .summary = "compress backups (gzip members, readable by any gzip)"},
    Option{.name = "ENCRYPTION_ENABLED",
           .kind = OptionKind::boolean,
           .default_value = "true",
           .summary = "encrypt and authenticate backups (AES-256-CBC, readable by openssl enc)"},
    Option{.name = "BACKUP_JOBS",
           .kind = OptionKind::number,
           .default_value = "0",
           .summary = "threads to work with; 0: as many as there are cores"},
    Option{.name = "LOG_DIR",
           .kind = OptionKind::path,
           .default_value = "/var/log/auth-service",
           .summary = "the folder of backup.log, restore.log, stream.log and stream-status.json"},
    Option{.name = "STREAM_OBJECT_MB",
           .kind = OptionKind::number,
           .default_value = "8",
           .summary = "stream: an object is put when it holds so many MiB of log, 1 to 16"},
    Option{.name = "STREAM_SECONDS",
           .kind = OptionKind::number,
           .default_value = "3",
           .summary = "stream: whatever has come is put after so many seconds, 1 to 3600"},
    Option{.name = "STREAM_SYNCHRONOUS",
           .kind = OptionKind::boolean,
           .default_value = "false",
           .summary = "stream: put and confirm at once what comes, for PostgreSQL's "
                      "synchronous_standby_names"},
    Option{.name = "STREAM_SEAL_OBJECTS",
           .kind = OptionKind::number,
           .default_value = "256",
           .summary = "stream: from so many small objects on, the oldest are merged, 2 to 100000"},
};

constexpr std::array kLaterSettings = {
    LaterSetting{"DR_ENABLED", LaterSetting::Weight::warn, "disaster recovery"},
    LaterSetting{"DR_REGION", LaterSetting::Weight::quiet, "disaster recovery"},
    LaterSetting{"PRIMARY_REGION", LaterSetting::Weight::quiet, "disaster recovery"},
    LaterSetting{"NOTIFICATION_ENABLED", LaterSetting::Weight::warn, "notifications"},
    LaterSetting{"WEBHOOK_URL", LaterSetting::Weight::warn, "notifications"},
    LaterSetting{"EMAIL_TO", LaterSetting::Weight::quiet, "notifications"},
    LaterSetting{"PAGERDUTY_SERVICE_KEY", LaterSetting::Weight::quiet, "notifications"},
    LaterSetting{"BACKUP_SCHEDULE_FULL", LaterSetting::Weight::warn, "the scheduler"},
    LaterSetting{"BACKUP_SCHEDULE_INCREMENTAL", LaterSetting::Weight::warn, "the scheduler"},
    LaterSetting{"BACKUP_SCHEDULE_CONFIG", LaterSetting::Weight::warn, "the scheduler"},
    LaterSetting{"BACKUP_METRICS_ENABLED", LaterSetting::Weight::warn, "metrics"},
    LaterSetting{"PROMETHEUS_PUSHGATEWAY_URL", LaterSetting::Weight::quiet, "metrics"},
};

std::string_view kind_name(OptionKind kind) {
    switch (kind) {
        case OptionKind::text:
            return "text";
        case OptionKind::path:
            return "path";
        case OptionKind::boolean:
            return "`true` or `false`";
        case OptionKind::number:
            return "whole number";
        case OptionKind::choice:
            return "one of ";
        case OptionKind::list:
            return "list, `:` between";
        case OptionKind::url:
            return "URL";
    }
    return "";
}

std::string_view weight_name(LaterSetting::Weight weight) {
    switch (weight) {
        case LaterSetting::Weight::warn:
            return "a warning";
        case LaterSetting::Weight::quiet:
            return "nothing happens";
    }
    return "";
}

std::string reference_row(const Option& option) {
    auto kind = std::string(kind_name(option.kind));
    if (option.kind == OptionKind::choice)
        kind += "`" + join(split(option.choices, '|'), "`, `") + "`";
    const auto fallback = option.default_value.empty() ? std::string("(empty)")
                                                       : fmt::format("`{}`", option.default_value);
    return fmt::format("| `{}`{} | {} | {} | {} |\n", option.name, option.secret ? " (secret)" : "",
                       kind, fallback, option.summary);
}

}  // namespace

std::vector<const Option*> all_options(const Drivers& drivers) {
    std::vector<const Option*> options;
    const auto add = [&](std::span<const Option> rows) {
        for (const auto& row : rows) options.push_back(&row);
    };
    add(kProgramOptions);
    for (const auto* driver : drivers.stores) add(driver->options);
    add(drivers.store_options);
    add(retention_options());
    for (const auto* driver : drivers.keys) add(driver->options);
    for (const auto* driver : drivers.engines) add(driver->options);
    return options;
}

std::span<const LaterSetting> later_settings() {
    return kLaterSettings;
}

std::string configuration_reference(const Drivers& drivers) {
    std::string text =
        "# Configuration reference\n\n"
        "Made from the program's option table by `auth-service-backup config reference`; do not "
        "edit.\n\n"
        "A setting comes from the command line, else the environment, else `backup.conf`, else its "
        "default.\n"
        "`backup.conf` holds `KEY=\"value\"` lines and `#` comments; it is parsed, never executed. "
        "Each secret `X` may be given\n"
        "as `X_FILE`, the path of a file whose first line is the value.\n\n"
        "| name | value | default | meaning |\n|---|---|---|---|\n";
    for (const auto* option : all_options(drivers)) text += reference_row(*option);
    text +=
        "\n## Names of the product that this version does not obey yet\n\n"
        "| name | belongs to | when it is set |\n|---|---|---|\n";
    for (const auto& later : later_settings())
        text +=
            fmt::format("| `{}` | {} | {} |\n", later.name, later.what, weight_name(later.weight));
    return text;
}

}  // namespace asb
