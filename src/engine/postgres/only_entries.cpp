#include "engine/postgres/only_entries.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "engine/postgres/logical_names.hpp"
#include "engine/postgres/logical_programs.hpp"

namespace asb::postgres {
namespace {

bool is_logical(const Json& facts) {
    const auto method = facts.find("method");
    return method != facts.end() && *method == "logical";
}

// As --only takes it: a dot would end the database's part, a comma the word, and a word with a
// slash is a file's.
std::string as_word(std::string name) {
    for (const char special : {'.', ',', '/'}) std::ranges::replace(name, special, '?');
    return name;
}

std::vector<std::string> stored_databases(std::span<const StoredEntry> entries) {
    std::vector<std::string> names;
    for (const auto& entry : entries) {
        const auto part = parse_dump_entry(entry.name);
        if (part && part->number <= 1) names.push_back(part->database);
    }
    return names;
}

// The folder below "postgresql/" that an entry of a physical backup lies in: "base", or
// "tablespaces/16385".
std::string_view physical_place(std::string_view name) {
    constexpr std::string_view kRoot = "postgresql/";
    constexpr std::string_view kTablespaces = "tablespaces/";
    if (!name.starts_with(kRoot)) return {};
    name.remove_prefix(kRoot.size());
    const auto from = name.starts_with(kTablespaces) ? kTablespaces.size() : 0;
    return name.substr(0, name.find('/', from));
}

}  // namespace

Result<DatabaseFilter> wanted_databases(const std::string& url, bool all_databases,
                                        const OnlyWords& only) {
    if (!only.empty())
        return DatabaseFilter([only](const std::string& name) {
            return std::ranges::any_of(
                only.words, [&](const auto& word) { return matches_glob(word.database, name); });
        });
    if (all_databases) return DatabaseFilter([](const std::string&) { return true; });
    ASB_TRY(const auto words, parse_conninfo(url));
    const auto wanted = resolve_database(words, word(words, "user"));
    return DatabaseFilter(
        [wanted](const std::string& name) { return wanted.empty() || name == wanted; });
}

Status choose_dumps(const std::string& url, const RestoreRequest& request, const Json& facts,
                    std::span<const StoredEntry> entries, std::vector<bool>& chosen) {
    ASB_TRY(const auto only, parse_only(request.only));
    if (!is_logical(facts)) return {};
    ASB_TRY([[maybe_unused]] const auto named, choose_named(only, stored_databases(entries)));
    ASB_TRY(const auto wanted, wanted_databases(url, request.all_databases, only));
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto part = parse_dump_entry(entries[i].name);
        if (part && !wanted(part->database)) chosen[i] = false;
    }
    return {};
}

std::vector<ContentLine> list_databases(const Json& facts, std::span<const StoredEntry> entries) {
    std::vector<ContentLine> lines;
    const auto add = [&](std::string kind, std::string name, std::uint64_t bytes) {
        for (auto& line : lines)
            if (line.kind == kind && line.name == name) {
                line.bytes += bytes;
                return;
            }
        lines.push_back({.kind = std::move(kind), .name = std::move(name), .bytes = bytes});
    };
    std::map<std::string, std::uint64_t, std::less<>> places;
    for (const auto& entry : entries) {
        if (is_logical(facts)) {
            if (const auto part = parse_dump_entry(entry.name))
                add("database", as_word(part->database), entry.size);
        } else if (const auto place = physical_place(entry.name); !place.empty()) {
            places[std::string(place)] += entry.size;
        }
    }
    for (const auto& [place, bytes] : places) {
        constexpr std::string_view kTablespaces = "tablespaces/";
        if (place.starts_with(kTablespaces))
            add("tablespace", place.substr(kTablespaces.size()), bytes);
        else
            add("cluster", "*", bytes);
    }
    return lines;
}

}  // namespace asb::postgres
