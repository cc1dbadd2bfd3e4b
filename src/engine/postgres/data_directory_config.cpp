#include "engine/postgres/data_directory_config.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.hpp"

namespace asb::postgres {
namespace {

constexpr std::size_t kConfigurationBytesMax = 4 * kMiB;  // the largest known sample is 30 KiB

constexpr std::string_view kPostgresqlConf =
    "# Written by auth-service-backup at restore: the backed-up data directory held no\n"
    "# postgresql.conf (Debian keeps it in /etc/postgresql). Put the original settings here.\n"
    "listen_addresses = 'localhost'\n";
constexpr std::string_view kHbaConf =
    "# Written by auth-service-backup at restore: the backed-up data directory held no\n"
    "# pg_hba.conf. Put the original lines here.\n"
    "local all all peer\n"
    "host all all 127.0.0.1/32 scram-sha-256\n"
    "host all all ::1/128 scram-sha-256\n";
constexpr std::string_view kIdentConf =
    "# Written by auth-service-backup at restore: the backed-up data directory held no\n"
    "# pg_ident.conf.\n";

struct MinimalFile {
    const char* path;
    std::string_view text;
};
constexpr std::array kMinimalFiles = {MinimalFile{"postgresql.conf", kPostgresqlConf},
                                      MinimalFile{"pg_hba.conf", kHbaConf},
                                      MinimalFile{"pg_ident.conf", kIdentConf}};

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

// name [=] value [# comment]; the value without its quotation marks.
std::pair<std::string, std::string> parse_setting(std::string_view line) {
    line = trim(line);
    const auto end = std::find_if_not(line.begin(), line.end(), is_name_character);
    const std::string_view name = line.substr(0, static_cast<std::size_t>(end - line.begin()));
    line = trim(line.substr(name.size()));
    if (!line.empty() && line[0] == '=') line = trim(line.substr(1));
    if (!line.empty() && line[0] == '\'')
        return {lower(name), std::string(line.substr(1, line.find('\'', 1) - 1))};
    return {lower(name), std::string(trim(line.substr(0, line.find('#'))))};
}

bool is_off(const std::string& value) {
    const std::string word = lower(value);
    return word.empty() || word == "off" || word == "false" || word == "no" || word == "0";
}

}  // namespace

bool acts_on_the_original(std::string_view path) {
    constexpr std::array<std::string_view, 4> kNames = {"standby.signal", "recovery.signal",
                                                        "postmaster.pid", "postmaster.opts"};
    return std::find(kNames.begin(), kNames.end(), path) != kNames.end();
}

Result<std::vector<std::string>> complete_configuration(StagedTree& tree) {
    std::vector<std::string> lines;
    for (const auto& file : kMinimalFiles) {
        if (tree.has_file(file.path)) continue;
        ASB_CHECK(tree.write_file(file.path, file.text));
        lines.push_back(fmt::format(
            "{} was not in the backed-up data directory; a minimal one was written", file.path));
    }
    return lines;
}

std::vector<std::string> dangerous_settings(std::string_view text) {
    std::map<std::string, std::string> values;
    for (const auto& line : split(text, '\n')) {
        auto [name, value] = parse_setting(line);
        values[name] = std::move(value);
    }
    std::vector<std::string> lines;
    if (!is_off(values["archive_mode"]))
        lines.emplace_back(
            "archive_mode is on: this copy would archive its WAL where the original does; set "
            "archive_mode = off, or another archive_command, before the first start");
    for (const char* name : {"data_directory", "hba_file", "ident_file", "external_pid_file"})
        if (!values[name].empty())
            lines.push_back(
                fmt::format("{} is set: it may point at the original server's files; "
                            "remove it before the first start",
                            name));
    return lines;
}

std::vector<std::string> configuration_warnings(const StagedTree& tree) {
    std::vector<std::string> lines;
    for (const char* file : {"postgresql.conf", "postgresql.auto.conf"}) {
        if (!tree.has_file(file)) continue;
        const auto text = tree.read_back(file, kConfigurationBytesMax);
        if (!text.ok()) {
            lines.push_back(fmt::format("warning: {}", text.error().fact));
            continue;
        }
        for (const auto& line : dangerous_settings(text.value()))
            lines.push_back(fmt::format("warning: in {} {}", file, line));
    }
    return lines;
}

}  // namespace asb::postgres
