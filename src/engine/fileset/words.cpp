#include "engine/fileset/words.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "engine/fileset/file_walk.hpp"
#include "engine/fileset/log_positions.hpp"
#include "engine/fileset/no_symlinks.hpp"

namespace asb::fileset {
namespace {

// Enough to remind somebody of what there is.
constexpr std::size_t kNamesShownMax = 5;
// Above this the search for what was meant would take seconds.
constexpr std::size_t kNamesComparedMax = 20'000;

const Area* area_of(std::string_view name) {
    const auto* area = std::ranges::find_if(
        kAreas, [&](const Area& candidate) { return name.starts_with(candidate.prefix); });
    return area == kAreas.end() ? nullptr : area;
}

// What belongs to the logs and is no file of its own.
bool is_of_logs(std::string_view name) {
    return name == kPositionsName || name.starts_with(kPiecesPrefix);
}

bool is_wanted(const RestoreRequest& request, std::string_view name) {
    const auto* area = area_of(name);
    return area != nullptr &&
           std::ranges::find(request.components, area->component) != request.components.end();
}

// The name as a word of this kind would say it.
std::string said_like(std::string_view word, std::string_view name) {
    const auto* area = area_of(name);
    if (!word.starts_with('/') || area == nullptr) return std::string(name);
    return fmt::format("/{}", name.substr(area->prefix.size()));
}

Error not_found(const RestoreRequest& request, const std::string& word,
                std::span<const StoredEntry> entries) {
    std::vector<std::string> names;
    for (const auto& entry : entries)
        if (entry.type != EntryType::folder && is_wanted(request, entry.name) &&
            names.size() < kNamesComparedMax)
            names.push_back(said_like(word, entry.name));
    const auto error =
        fail(Code::not_found, "the backup holds no file that {} names", printable(word));
    if (names.empty()) return with_hint(error, "it holds no files at all");
    if (const auto meant = nearest(word, names); !meant.empty())
        return with_hint(error, fmt::format("did you mean {}?", printable(meant)));
    const auto count = names.size();
    names.resize(std::min(count, kNamesShownMax));
    return with_hint(
        error, fmt::format("it holds {}{} (list --contents FILE shows all)",
                           printable(join(names, ", ")), count > kNamesShownMax ? ", ..." : ""));
}

void choose_folders_above(std::span<const StoredEntry> entries, std::vector<bool>& chosen) {
    std::set<std::string_view> above;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (!chosen[i]) continue;
        for (auto folder = split_name(entries[i].name).folder; !folder.empty();
             folder = split_name(folder).folder)
            if (!above.insert(folder).second) break;
    }
    for (std::size_t i = 0; i < entries.size(); ++i)
        if (entries[i].type == EntryType::folder && above.count(entries[i].name) != 0)
            chosen[i] = true;
}

// The list of entries does not say where a hard link leads: to a file before it, in its component.
void choose_link_targets(std::span<const StoredEntry> entries, std::vector<bool>& chosen) {
    std::set<const Area*> areas;
    for (std::size_t i = entries.size(); i-- != 0;) {
        const auto& entry = entries[i];
        if (entry.type == EntryType::hard_link && chosen[i]) areas.insert(area_of(entry.name));
        if (entry.type == EntryType::file && areas.count(area_of(entry.name)) != 0)
            chosen[i] = true;
    }
}

}  // namespace

bool means(std::string_view word, std::string_view name) {
    const auto path = said_like(word, name);
    while (word.ends_with('/')) word.remove_suffix(1);
    if (path.starts_with(word) && (path.size() == word.size() || path[word.size()] == '/'))
        return true;
    return fnmatch(std::string(word).c_str(), path.c_str(), FNM_PATHNAME | FNM_LEADING_DIR) == 0;
}

bool any_means(const std::vector<std::string>& words, std::string_view name) {
    return std::ranges::any_of(words, [&](const std::string& word) { return means(word, name); });
}

Result<std::vector<bool>> choose_files(const RestoreRequest& request,
                                       std::span<const StoredEntry> entries) {
    const bool has_logs = is_wanted(request, kAreas[kLogArea].prefix);
    std::vector<bool> chosen(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i)
        chosen[i] = request.only.empty() && (is_wanted(request, entries[i].name) ||
                                             (has_logs && is_of_logs(entries[i].name)));
    for (const auto& word : request.only) {
        bool found = false;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            if (!is_wanted(request, entries[i].name) || !means(word, entries[i].name)) continue;
            chosen[i] = true;
            found = true;
        }
        if (!found) return not_found(request, word, entries);
    }
    choose_link_targets(entries, chosen);
    choose_folders_above(entries, chosen);
    return chosen;
}

std::vector<ContentLine> list_files(std::span<const StoredEntry> entries) {
    std::vector<ContentLine> lines;
    for (const auto& entry : entries) {
        if (const auto piece = parse_piece_name(entry.name))
            lines.push_back({.kind = "piece",
                             .name = fmt::format("{} from byte {}", piece->log, piece->offset),
                             .bytes = entry.size});
        if (area_of(entry.name) == nullptr || entry.type == EntryType::folder) continue;
        lines.push_back({.kind = entry.type == EntryType::file ? "file" : "link",
                         .name = entry.name,
                         .bytes = entry.size});
    }
    return lines;
}

}  // namespace asb::fileset
