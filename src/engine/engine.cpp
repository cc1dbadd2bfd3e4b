#include "engine/engine.hpp"

#include <algorithm>

namespace asb {

Result<std::vector<bool>> Engine::choose_entries(const RestoreRequest& request,
                                                 const Json& /*facts*/,
                                                 std::span<const StoredEntry> entries) {
    std::vector<bool> chosen;
    chosen.reserve(entries.size());
    for (const auto& entry : entries)
        chosen.push_back(std::ranges::any_of(components(), [&](const Component& component) {
            return entry.name.starts_with(component.prefix) &&
                   std::ranges::find(request.components, component.name) !=
                       request.components.end();
        }));
    return chosen;
}

Status Engine::import_dump(const std::string& path, EntrySink& /*sink*/,
                           const SessionContext& /*context*/) {
    return fail(Code::usage, "{} reads no dumps of other tools: {}", name(), path);
}

Result<Json> Engine::import_facts(const std::string& path, const SessionContext& /*context*/) {
    return fail(Code::usage, "{} reads no dumps of other tools: {}", name(), path);
}

std::vector<ContentLine> Engine::contents(const Json& /*facts*/,
                                          std::span<const StoredEntry> entries) {
    std::vector<ContentLine> lines;
    for (const auto& entry : entries)
        if (entry.type == EntryType::file &&
            std::ranges::any_of(components(), [&](const Component& component) {
                return entry.name.starts_with(component.prefix);
            }))
            lines.push_back({.kind = "file", .name = entry.name, .bytes = entry.size});
    return lines;
}

}  // namespace asb
