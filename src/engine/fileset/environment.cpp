#include "engine/fileset/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "base/text.hpp"

namespace asb::fileset {
namespace {

// What POSIX.1-2017 8.1 calls a name: letters, digits, '_', not beginning with a digit.
bool is_shell_name(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789";
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return !text.empty() && kDigits.find(text.front()) == std::string_view::npos &&
           text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Status check_pattern(const std::string& pattern) {
    std::string_view name = pattern;
    if (name.ends_with('*')) name.remove_suffix(1);
    if (is_shell_name(name)) return {};
    return with_hint(
        fail(Code::usage, "ENVIRONMENT_NAMES: '{}' is not a name", printable(pattern)),
        "write names or prefixes separated by ':', as in ENVIRONMENT_NAMES=APP_*:JWT_ISSUER");
}

bool matches(const std::string& pattern, std::string_view name) {
    if (!pattern.ends_with('*')) return name == pattern;
    return name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

// Inside double quotes only these four are special to a POSIX shell (2.2.3).
std::string double_quoted(std::string_view value) {
    std::string quoted = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\' || c == '$' || c == '`') quoted += '\\';
        quoted += c;
    }
    return quoted + "\"";
}

}  // namespace

Result<RecordedEnvironment> record_environment(const std::vector<std::string>& names,
                                               const std::vector<std::string>& environment) {
    for (const auto& pattern : names) ASB_CHECK(check_pattern(pattern));
    RecordedEnvironment recorded;
    std::map<std::string, std::string_view> chosen;
    std::vector<bool> used(names.size(), false);
    for (const std::string_view variable : environment) {
        const auto equals = variable.find('=');
        const std::string name(variable.substr(0, equals));
        bool wanted = false;
        for (std::size_t i = 0; i < names.size(); ++i)
            if (matches(names[i], name)) wanted = used[i] = true;
        if (!wanted || equals == std::string_view::npos) continue;
        if (is_shell_name(name))
            chosen.emplace(name, variable.substr(equals + 1));
        else
            recorded.warnings.push_back(fmt::format(
                "ENVIRONMENT_NAMES: left out '{}', which no shell can set", printable(name)));
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (!used[i])
            recorded.warnings.push_back(fmt::format("ENVIRONMENT_NAMES: {} is not set", names[i]));
    for (const auto& [name, value] : chosen)
        recorded.text += name + "=" + double_quoted(value) + "\n";
    recorded.count = chosen.size();
    return recorded;
}

std::vector<std::string> process_environment() {
    std::vector<std::string> variables;
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
        variables.emplace_back(*variable);
    return variables;
}

}  // namespace asb::fileset
