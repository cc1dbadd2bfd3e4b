#pragma once
// Why this exists: from command line, environment and backup.conf to one set of settings, each with
// where it came from.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/option_table.hpp"

namespace asb {

struct ConfigFileLine {
    std::string name;
    std::string value;
    std::size_t line = 0;
};

// Parses KEY="value" lines (also KEY=value and KEY='value') and comments; nothing is expanded or
// executed. `usage` with file and line for anything else. In double quotes, \" \\ \$ and \` stand
// for the character itself, as in a shell.
Result<std::vector<ConfigFileLine>> parse_config_file(std::string_view text, std::string_view path);

struct ConfigurationSources {
    std::map<std::string, std::string> command_line;      // by setting name
    std::function<const char*(const char*)> environment;  // getenv, or a test's
    std::string config_path;                              // --config; empty: looked for
    std::string scripts_dir;                              // of the wrapper scripts; may be empty
};

struct Configuration {
    Settings settings;
    std::string config_path;            // that was read; empty when there was none
    std::vector<std::string> warnings;  // settings that this version does not obey, a sentence each
};

// The backup.conf that would be read: --config, BACKUP_CONFIG_FILE, beside the scripts,
// /etc/auth-service-backup. Empty when there is none; `usage` when one that was named does not
// exist.
Result<std::string> find_config_file(const ConfigurationSources& sources);

Result<Configuration> load_configuration(const std::vector<const Option*>& options,
                                         const ConfigurationSources& sources);

}  // namespace asb
