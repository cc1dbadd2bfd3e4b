#include "ops/retention_settings.hpp"

#include <array>
#include <limits>
#include <vector>

#include "base/text.hpp"

namespace asb {
namespace {

constexpr Option row(std::string_view name, std::string_view summary) {
    return {.name = name, .kind = OptionKind::number, .default_value = "0", .summary = summary};
}

constexpr std::array kOptions = {
    row("RETENTION_DAYS",
        "backups younger than so many days stay, and whatever each instant of these days needs; "
        "0: no such rule; with no rule at all nothing is ever removed"),
    row("RETENTION_KEEP_LAST", "so many of the newest full backups stay; 0: no such rule"),
    row("RETENTION_KEEP_DAILY", "the newest full backup of so many days (UTC) stays"),
    row("RETENTION_KEEP_WEEKLY", "the newest full backup of so many weeks stays"),
    row("RETENTION_KEEP_MONTHLY", "the newest full backup of so many months stays"),
    row("RETENTION_KEEP_YEARLY", "the newest full backup of so many years stays"),
    row("RETENTION_CONFIG_DAYS",
        "RETENTION_DAYS of config backups; when this or RETENTION_CONFIG_KEEP_LAST is set, the "
        "other rules are not for them"),
    row("RETENTION_CONFIG_KEEP_LAST", "so many of the newest config backups stay"),
    row("RETENTION_MIN_DAYS", "nothing younger is removed, whatever else says so"),
    row("RETENTION_MAX_DAYS",
        "what is older is removed even where RETENTION_KEEP_* would keep it; 0: no such rule"),
};

std::uint32_t count(const Settings& settings, std::string_view name) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(std::min(settings.number(name), kMax));
}

}  // namespace

std::span<const Option> retention_options() {
    return kOptions;
}

Result<RetentionPolicy> retention_policy(const Settings& settings) {
    RetentionPolicy policy;
    policy.database = {.days = count(settings, "RETENTION_DAYS"),
                       .last = count(settings, "RETENTION_KEEP_LAST"),
                       .daily = count(settings, "RETENTION_KEEP_DAILY"),
                       .weekly = count(settings, "RETENTION_KEEP_WEEKLY"),
                       .monthly = count(settings, "RETENTION_KEEP_MONTHLY"),
                       .yearly = count(settings, "RETENTION_KEEP_YEARLY")};
    const KeepRules config{.days = count(settings, "RETENTION_CONFIG_DAYS"),
                           .last = count(settings, "RETENTION_CONFIG_KEEP_LAST")};
    if (config.any()) policy.config = config;
    policy.min_age_days = count(settings, "RETENTION_MIN_DAYS");
    policy.max_age_days = count(settings, "RETENTION_MAX_DAYS");
    for (const auto& [name, days] : {std::pair{"RETENTION_DAYS", policy.database.days},
                                     std::pair{"RETENTION_CONFIG_DAYS", config.days},
                                     std::pair{"RETENTION_MIN_DAYS", policy.min_age_days}})
        if (policy.max_age_days != 0 && days > policy.max_age_days)
            return with_hint(fail(Code::usage, "RETENTION_MAX_DAYS={} is less than {}={}",
                                  policy.max_age_days, name, days),
                             "what must stay cannot have to go: raise the one or lower the other");
    return policy;
}

std::string retention_text(const Settings& settings) {
    std::vector<std::string> set;
    for (const auto& option : kOptions)
        if (const auto number = settings.number(option.name); number != 0)
            set.push_back(fmt::format("{}={}", option.name, number));
    return join(set, " ");
}

}  // namespace asb
