#include "engine/postgres/data_directory_tablespaces.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

std::string text_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
}

Status place_one(TablespacePlace& place, const RestoreRequest& request,
                 std::set<std::string>& used) {
    for (const auto& [key, path] : request.tablespaces)
        if (key == place.oid || key == place.old_path) place.new_path = path;
    ASB_TRY(place.new_path, resolved_path(place.new_path, Code::refused));
    if (!used.insert(place.new_path).second)
        return with_hint(
            fail(Code::usage, "two tablespaces are to be restored to {}", place.new_path),
            "give each --tablespace its own folder");
    return {};
}

Status check_mappings(const RestoreRequest& request, const std::vector<TablespacePlace>& places) {
    for (const auto& mapping : request.tablespaces) {
        const bool known = std::any_of(places.begin(), places.end(), [&](const auto& place) {
            return mapping.first == place.oid || mapping.first == place.old_path;
        });
        if (known) continue;
        std::vector<std::string> names;
        names.reserve(places.size());
        for (const auto& place : places)
            names.push_back(fmt::format("{} ({})", place.oid, place.old_path));
        return with_hint(fail(Code::usage, "the backup has no tablespace '{}'", mapping.first),
                         names.empty() ? "it has none at all; leave --tablespace out"
                                       : "it has " + join(names, ", "));
    }
    return {};
}

std::string escaped(std::string_view path) {
    std::string text;
    for (const char c : path) {
        if (c == '\n' || c == '\r' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

// Lines end at a newline that no backslash precedes.
std::vector<std::string> map_lines(std::string_view text) {
    std::vector<std::string> lines;
    std::string line;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            line += text[i++];
            line += text[i];
        } else if (text[i] == '\n') {
            lines.push_back(std::exchange(line, {}));
        } else {
            line += text[i];
        }
    }
    if (!line.empty()) lines.push_back(line);
    return lines;
}

}  // namespace

Result<std::vector<TablespacePlace>> place_tablespaces(const RestoreRequest& request,
                                                       const std::string& target_dir,
                                                       const Json& facts) {
    std::vector<TablespacePlace> places;
    const auto listed = facts.find("tablespaces");
    if (listed == facts.end() || listed->empty()) {
        ASB_CHECK(check_mappings(request, places));
        return places;
    }
    std::set<std::string> used{target_dir};
    for (const auto& item : *listed) {
        if (!item.is_object())
            return fail(Code::damaged, "the manifest's list of tablespaces is not readable");
        TablespacePlace place{text_of(item, "oid"), text_of(item, "path"), {}};
        if (!parse_u64(place.oid))
            return fail(Code::damaged, "the manifest names a tablespace '{}', which is not an oid",
                        printable(place.oid));
        place.new_path = fmt::format("{}-tablespaces/{}", target_dir, place.oid);
        ASB_CHECK(place_one(place, request, used));
        places.push_back(std::move(place));
    }
    ASB_CHECK(check_mappings(request, places));
    return places;
}

Result<std::string> rewrite_tablespace_map(std::string_view text,
                                           std::span<const TablespacePlace> places) {
    std::set<std::string> seen;
    std::string rewritten;
    for (const auto& line : map_lines(text)) {
        const auto oid = line.substr(0, line.find(' '));
        const auto place = std::find_if(places.begin(), places.end(),
                                        [&](const auto& known) { return known.oid == oid; });
        if (place == places.end() || !seen.insert(oid).second)
            return fail(Code::damaged,
                        "tablespace_map names tablespace '{}', the manifest does not",
                        printable(oid));
        rewritten += fmt::format("{} {}\n", oid, escaped(place->new_path));
    }
    if (seen.size() != places.size())
        return fail(Code::damaged, "tablespace_map holds {} of {} tablespaces", seen.size(),
                    places.size());
    return rewritten;
}

}  // namespace asb::postgres
