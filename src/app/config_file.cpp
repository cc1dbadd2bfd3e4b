#include "app/configuration.hpp"
#include "base/text.hpp"

namespace asb {
namespace {

constexpr std::size_t kNameBytesMax = 128;

bool is_name(std::string_view text) {
    if (text.empty() || text.size() > kNameBytesMax || (text[0] >= '0' && text[0] <= '9'))
        return false;
    return text.find_first_not_of(
               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
           std::string_view::npos;
}

// What follows a value: nothing, or a comment after white space.
bool is_rest_of_line(std::string_view rest) {
    const auto trimmed = trim(rest);
    return trimmed.empty() || (trimmed.front() == '#' && trimmed.size() != rest.size());
}

// The value that begins at the start of `text`; nullopt when it is not one.
std::optional<std::string> parse_quoted(std::string_view text, char quote) {
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        const char c = text[i];
        if (c == quote)
            return is_rest_of_line(text.substr(i + 1)) ? std::optional(value) : std::nullopt;
        const bool escape = quote == '"' && c == '\\' && i + 1 < text.size() &&
                            std::string_view("\"\\$`").find(text[i + 1]) != std::string_view::npos;
        if (escape) ++i;
        value += text[i];
    }
    return std::nullopt;
}

std::optional<std::string> parse_plain(std::string_view text) {
    auto end = text.find_first_of(" \t");
    const auto word = text.substr(0, end);
    if (word.find_first_of("\"'`$\\;&|<>()") != std::string_view::npos) return std::nullopt;
    if (end != std::string_view::npos && !is_rest_of_line(text.substr(end))) return std::nullopt;
    return std::string(word);
}

std::optional<std::string> parse_value(std::string_view text) {
    if (text.starts_with('"') || text.starts_with('\'')) return parse_quoted(text, text.front());
    if (text.starts_with('#')) return std::nullopt;
    return parse_plain(text);
}

}  // namespace

Result<std::vector<ConfigFileLine>> parse_config_file(std::string_view text,
                                                      std::string_view path) {
    std::vector<ConfigFileLine> lines;
    std::size_t number = 0;
    for (const auto& raw : split(text, '\n')) {
        ++number;
        auto line = trim(raw);
        if (line.empty() || line.front() == '#') continue;
        if (line.starts_with("export ")) line = trim(line.substr(7));
        const auto equals = line.find('=');
        const auto name = line.substr(0, equals);
        const auto value = equals == std::string_view::npos || !is_name(name)
                               ? std::nullopt
                               : parse_value(line.substr(equals + 1));
        if (!value || value->find('\0') != std::string::npos)
            return with_hint(fail(Code::usage, "{} line {} is not a setting", path, number),
                             "write KEY=\"value\", one a line; the file is not executed, so "
                             "nothing is expanded in it");
        lines.push_back({std::string(name), *value, number});
    }
    return lines;
}

}  // namespace asb
