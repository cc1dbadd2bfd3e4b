#include "app/configuration.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb {
namespace {

constexpr std::size_t kConfigBytesMax = 1 * kMiB;
constexpr std::size_t kSecretBytesMax = 64 * kKiB;
constexpr std::string_view kSystemConfig = "/etc/auth-service-backup/backup.conf";

// What DATABASE_URL is taken from while it is empty, in this order; with DATABASE_TYPE=postgresql
// from behind.
constexpr std::array<std::string_view, 3> kUrlStandIns = {"MONGODB_URL", "POSTGRESQL_URL",
                                                          "POSTGRES_URL"};

struct Given {
    std::string text;
    std::string origin;
};

// What one source (the environment, the file) says of each name.
using Lookup = std::function<std::optional<Given>(const std::string& name)>;

Result<std::string> read_secret_file(const std::string& path, const std::string& name) {
    auto text = read_file(path, kSecretBytesMax);
    if (!text)
        return with_hint(fail(Code::usage, "{}_FILE: {}", name, text.error().fact),
                         "name a readable file whose first line is the value");
    const auto line = text->substr(0, text->find('\n'));
    const std::string value = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    wipe_memory(text->data(), text->size());
    if (value.empty())
        return fail(Code::usage, "{}_FILE: {} begins with an empty line", name, path);
    return value;
}

// The option's value from this source, through X_FILE for a secret; nullopt when the source says
// nothing.
Result<std::optional<Given>> look_up(const Option& option, const Lookup& lookup) {
    const std::string name(option.name);
    auto direct = lookup(name);
    auto file = option.secret ? lookup(name + "_FILE") : std::nullopt;
    if (direct && direct->text.empty() && file) direct.reset();
    if (direct && file && !file->text.empty())
        return with_hint(fail(Code::usage, "both {0} and {0}_FILE are set", name),
                         "set only one of them");
    if (!file || file->text.empty()) return direct;
    ASB_TRY(auto text, read_secret_file(file->text, name));
    return std::optional(Given{std::move(text), fmt::format("{} ({}_FILE)", file->origin, name)});
}

std::vector<std::string> all_names(const std::vector<const Option*>& options) {
    std::vector<std::string> names;
    for (const std::string_view name : kUrlStandIns) {
        names.emplace_back(name);
        names.push_back(names.back() + "_FILE");
    }
    for (const auto* option : options) {
        names.emplace_back(option->name);
        if (option->secret) names.push_back(names.back() + "_FILE");
    }
    for (const auto& later : later_settings()) names.emplace_back(later.name);
    return names;
}

Status check_names(const std::vector<const Option*>& options,
                   const std::vector<ConfigFileLine>& lines, const std::string& path) {
    const auto known = all_names(options);
    std::map<std::string, std::size_t> seen;
    for (const auto& line : lines) {
        if (std::ranges::find(known, line.name) == known.end()) {
            const auto meant = nearest(line.name, known);
            return with_hint(
                fail(Code::usage, "{} line {}: there is no setting {}", path, line.line, line.name),
                meant.empty() ? "config show lists all settings"
                              : fmt::format("did you mean {}?", meant));
        }
        if (const auto [earlier, fresh] = seen.emplace(line.name, line.line); !fresh)
            return with_hint(fail(Code::usage, "{} line {}: {} was set before, on line {}", path,
                                  line.line, line.name, earlier->second),
                             "keep one of the two lines");
    }
    return {};
}

Lookup environment_lookup(const ConfigurationSources& sources) {
    return [&sources](const std::string& name) -> std::optional<Given> {
        const char* text = sources.environment(name.c_str());
        if (text == nullptr || *text == '\0') return std::nullopt;
        return Given{text, "environment"};
    };
}

Lookup file_lookup(const std::vector<ConfigFileLine>& lines, const std::string& path) {
    return [&lines, path](const std::string& name) -> std::optional<Given> {
        const auto found = std::ranges::find(lines, name, &ConfigFileLine::name);
        if (found == lines.end()) return std::nullopt;
        return Given{found->value, fmt::format("{} line {}", path, found->line)};
    };
}

Result<std::optional<Given>> first_given(const Option& option, const std::vector<Lookup>& lookups) {
    for (const auto& lookup : lookups) {
        ASB_TRY(auto given, look_up(option, lookup));
        if (given) return given;
    }
    return std::optional<Given>();
}

// DATABASE_URL has stand-ins that count only while it is empty.
Result<std::optional<Given>> resolve(const Option& option, const std::vector<Lookup>& lookups,
                                     std::string_view database_type) {
    ASB_TRY(auto given, first_given(option, lookups));
    if (option.name != "DATABASE_URL" || (given && !given->text.empty())) return given;
    auto stand_ins = kUrlStandIns;
    if (database_type == "postgresql") std::ranges::reverse(stand_ins);
    for (const std::string_view name : stand_ins) {
        const Option alias{
            .name = name, .kind = option.kind, .default_value = {}, .summary = {}, .secret = true};
        ASB_TRY(auto stand_in, first_given(alias, lookups));
        if (!stand_in || stand_in->text.empty()) continue;
        stand_in->origin += fmt::format(" ({})", name);
        return stand_in;
    }
    return given;
}

void note_later_settings(const std::vector<Lookup>& lookups, Configuration& configuration) {
    for (const auto& later : later_settings()) {
        if (later.weight == LaterSetting::Weight::quiet) continue;
        for (const auto& lookup : lookups) {
            const auto given = lookup(std::string(later.name));
            if (!given || given->text.empty() || given->text == "false") continue;
            configuration.warnings.push_back(
                fmt::format("{} is set ({}), but this version does not have {} yet", later.name,
                            given->origin, later.what));
            break;
        }
    }
}

// One that cannot be looked at is not passed over: it may say where to.
Result<bool> is_config_there(const std::string& path) {
    std::error_code error;
    const bool is_there = std::filesystem::exists(path, error);
    if (!error) return is_there;
    return with_hint(
        errno_error(error.value(), "cannot look at the configuration file", path, Code::usage),
        "run as a user who may read it, or name another with --config or BACKUP_CONFIG_FILE");
}

}  // namespace

Result<std::string> find_config_file(const ConfigurationSources& sources) {
    const char* from_environment = sources.environment("BACKUP_CONFIG_FILE");
    const std::string named = !sources.config_path.empty()  ? sources.config_path
                              : from_environment != nullptr ? from_environment
                                                            : "";
    if (!named.empty()) {
        ASB_TRY(const bool is_there, is_config_there(named));
        if (is_there) return named;
        return with_hint(fail(Code::usage, "there is no configuration file {}", named),
                         "correct --config or BACKUP_CONFIG_FILE");
    }
    std::vector<std::string> candidates;
    if (!sources.scripts_dir.empty())
        candidates.push_back(sources.scripts_dir + "/../config/backup.conf");
    candidates.emplace_back(kSystemConfig);
    for (const auto& candidate : candidates) {
        ASB_TRY(const bool is_there, is_config_there(candidate));
        if (is_there) return resolved_path(candidate);
    }
    return std::string();
}

Result<Configuration> load_configuration(const std::vector<const Option*>& options,
                                         const ConfigurationSources& sources) {
    Configuration configuration;
    std::vector<ConfigFileLine> lines;
    ASB_TRY(configuration.config_path, find_config_file(sources));
    if (!configuration.config_path.empty()) {
        auto text = read_file(configuration.config_path, kConfigBytesMax);
        if (!text)
            return with_hint(fail(Code::usage, "{}", text.error().fact),
                             "make the file readable to this user");
        ASB_TRY(lines, parse_config_file(*text, configuration.config_path));
        ASB_CHECK(check_names(options, lines, configuration.config_path));
    }
    const std::vector<Lookup> lookups = {environment_lookup(sources),
                                         file_lookup(lines, configuration.config_path)};
    std::string database_type;  // its row stands before DATABASE_URL's
    for (const auto* option : options) {
        const auto on_command_line = sources.command_line.find(std::string(option->name));
        Given given{std::string(option->default_value), "default"};
        if (on_command_line != sources.command_line.end()) {
            given = {on_command_line->second, "command line"};
        } else {
            ASB_TRY(auto found, resolve(*option, lookups, database_type));
            if (found) given = std::move(*found);
        }
        if (const auto valid = validate(*option, given.text); !valid && given.origin != "default")
            return valid.error().within(given.origin);
        if (option->name == "DATABASE_TYPE") database_type = given.text;
        configuration.settings.set(*option, std::move(given.text), std::move(given.origin));
    }
    note_later_settings(lookups, configuration);
    return configuration;
}

}  // namespace asb
