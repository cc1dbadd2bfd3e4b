#include "engine/postgres/data_directory_recovery.hpp"

#include "engine/postgres/lsn.hpp"

namespace asb::postgres {
namespace {

// A value as postgresql.conf reads it back.
std::string in_quotes(std::string_view value) {
    std::string text = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') text += c;
        text += c;
    }
    return text + "'";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> recovery_settings(const Recovery& recovery) {
    std::vector<std::pair<std::string, std::string>> settings = {
        {"restore_command", recovery.fetch_command},
        {"recovery_end_command", recovery.end_command},
        {"recovery_target_timeline", std::to_string(recovery.line)},
        {"recovery_target_action", "promote"},
    };
    if (!recovery.stop) {
        settings.emplace_back("recovery_target", "immediate");
        return settings;
    }
    settings.emplace_back("recovery_target_lsn", to_text(Lsn{recovery.stop->point.at}));
    settings.emplace_back("recovery_target_inclusive", recovery.stop->inclusive ? "on" : "off");
    return settings;
}

Status write_recovery(StagedTree& tree, const Recovery& recovery, std::string auto_conf) {
    auto_conf +=
        "\n# Written by auth-service-backup for one recovery; without recovery.signal they do "
        "nothing.\n";
    for (const auto& [name, value] : recovery_settings(recovery))
        auto_conf += fmt::format("{} = {}\n", name, in_quotes(value));
    auto_conf +=
        "# This copy must not archive where the original does. Set it again when it is the "
        "original.\n"
        "archive_mode = 'off'\n";
    ASB_CHECK(tree.write_file("postgresql.auto.conf", auto_conf));
    ASB_CHECK(tree.write_file(kRecoverySource, recovery.fetch_source.reveal()));
    return tree.write_file(kRecoverySignal, "");
}

std::string describe_recovery(const Recovery& recovery) {
    if (!recovery.stop)
        return fmt::format(
            "at its first start it recovers to {}, the end of the base backup, and "
            "promotes",
            recovery.target);
    return fmt::format("at its first start it recovers to {} ({} {} on timeline {}) and promotes",
                       recovery.target, recovery.stop->inclusive ? "after" : "before",
                       to_text(Lsn{recovery.stop->point.at}), recovery.line);
}

}  // namespace asb::postgres
