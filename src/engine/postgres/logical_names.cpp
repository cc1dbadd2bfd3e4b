#include "engine/postgres/logical_names.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace asb::postgres {
namespace {

constexpr std::string_view kDump = ".dump";

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

}  // namespace

std::string escape_database(std::string_view name) {
    std::string escaped;
    for (const char c : name) {
        if (is_plain(c))
            escaped.push_back(c);
        else
            escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return escaped;
}

std::optional<std::string> unescape_database(std::string_view escaped) {
    std::string name;
    for (std::size_t at = 0; at < escaped.size(); ++at) {
        if (escaped[at] != '%') {
            name.push_back(escaped[at]);
            continue;
        }
        const auto byte = parse_hex(escaped.substr(at + 1, 2));
        if (!byte.ok() || byte.value().size() != 1) return std::nullopt;
        name.push_back(static_cast<char>(byte.value().front()));
        at += 2;
    }
    if (name.empty() || escape_database(name) != escaped) return std::nullopt;
    return name;
}

std::string dump_entry(std::string_view database) {
    return fmt::format("{}{}{}", kLogicalFolder, escape_database(database), kDump);
}

std::string dump_entry(std::string_view database, std::uint64_t part) {
    return fmt::format("{}.{:06}", dump_entry(database), part);
}

std::optional<DumpPart> parse_dump_entry(std::string_view entry) {
    if (!entry.starts_with(kLogicalFolder)) return std::nullopt;
    entry.remove_prefix(kLogicalFolder.size());
    const auto end = entry.find(kDump);
    if (end == std::string_view::npos) return std::nullopt;
    const auto database = unescape_database(entry.substr(0, end));
    if (!database) return std::nullopt;
    const auto rest = entry.substr(end + kDump.size());
    if (rest.empty()) return DumpPart{*database, 0};
    const auto digits = rest.substr(1);
    const auto first = digits.find_first_not_of('0');
    const auto number =
        first == std::string_view::npos ? std::nullopt : parse_u64(digits.substr(first));
    if (!number || dump_entry(*database, *number).substr(kLogicalFolder.size()) != entry)
        return std::nullopt;
    return DumpPart{*database, *number};
}

}  // namespace asb::postgres
