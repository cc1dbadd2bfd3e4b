#include "engine/postgres/swap_settings.hpp"

#include <algorithm>
#include <array>

namespace asb::postgres {
namespace {

bool is_quoted_list(std::string_view name) {
    constexpr std::array<std::string_view, 7> kNames = {
        "local_preload_libraries",         "search_path",      "session_preload_libraries",
        "shared_preload_libraries",        "temp_tablespaces", "unix_socket_directories",
        "restrict_nonsystem_relation_kind"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// A setting's name: its dots separate identifiers ("app.user").
std::string quoted_name(const Connection& connection, std::string_view name) {
    std::string quoted;
    while (true) {
        const auto dot = name.find('.');
        quoted += connection.quoted_identifier(name.substr(0, dot));
        if (dot == std::string_view::npos) return quoted;
        quoted += '.';
        name.remove_prefix(dot + 1);
    }
}

}  // namespace

std::string set_clause(const Connection& connection, std::string_view setting) {
    const auto equal = setting.find('=');
    const auto name = setting.substr(0, equal);
    const auto value = equal == std::string_view::npos ? "" : setting.substr(equal + 1);
    const bool as_is = is_quoted_list(name) && !value.empty();
    return "SET " + quoted_name(connection, name) + " TO " +
           (as_is ? std::string(value) : connection.quoted_literal(value));
}

}  // namespace asb::postgres
