#include "ops/list.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "ops/chains.hpp"
#include "ops/consistency.hpp"
#include "ops/destinations.hpp"
#include "ops/known_manifests.hpp"
#include "repo/catalog.hpp"

namespace asb {
namespace {

std::string engine_summary(const Manifest& manifest) {
    std::vector<std::string> parts;
    for (const auto& [name, facts] : manifest.engines.items()) {
        if (name == "fileset") continue;
        const auto version =
            facts.is_object() && facts.contains("version") && facts["version"].is_string()
                ? " " + facts["version"].get<std::string>()
                : std::string();
        parts.push_back(printable(name + version));
    }
    return parts.empty() ? "-" : join(parts, ", ");
}

std::string state_of(const CatalogEntry& entry) {
    if (entry.state == CatalogEntry::State::damaged) return "DAMAGED: " + printable(entry.problem);
    const std::string consistency = is_inconsistent(entry.manifest) ? ", NOT CONSISTENT" : "";
    if (entry.manifest.incomplete_count != 0)
        return fmt::format("incomplete ({}){}", entry.manifest.incomplete_count, consistency);
    return (entry.manifest.encryption ? "ok" : "ok, not encrypted") + consistency;
}

Json to_json(const CatalogEntry& entry) {
    const Manifest& manifest = entry.manifest;
    Json json = {{"name", entry.name},
                 {"state", entry.state == CatalogEntry::State::ok ? "ok" : "damaged"}};
    if (entry.state == CatalogEntry::State::damaged) json["problem"] = printable(entry.problem);
    if (manifest.id.empty()) return json;
    json.update({{"type", to_text(manifest.type)},
                 {"id", manifest.id},
                 {"started_at", to_iso8601(manifest.started_at)},
                 {"finished_at", to_iso8601(manifest.finished_at)},
                 {"plain_bytes", manifest.plain_bytes},
                 {"stored_bytes", entry.stored_bytes},
                 {"encrypted", manifest.encryption.has_value()},
                 {"compressed", manifest.compressed},
                 {"entries", manifest.entry_count},
                 {"engines", manifest.engines},
                 {"inconsistent", is_inconsistent(manifest)},
                 {"incomplete", manifest.incomplete},
                 {"incomplete_count", manifest.incomplete_count}});
    if (manifest.parent)
        json["parent"] = {{"id", manifest.parent->id}, {"name", manifest.parent->name}};
    if (manifest.encryption) json["key_id"] = manifest.encryption->key.key_id;
    return json;
}

// How wide the first two columns are; wider where a chain is shown as a tree.
struct Widths {
    std::size_t name = 36;
    std::size_t type = 7;
};

constexpr std::size_t kDepthMax = 8;  // deeper ones are shown there: the name must stay in sight

std::size_t indent(const ChainRow& row) {
    return 2 * std::min(row.depth, kDepthMax);
}

Widths widths_of(const std::vector<ChainRow>& rows) {
    Widths widths;
    for (const auto& row : rows) {
        widths.name = std::max(widths.name, row.entry->name.size() + indent(row) + 1);
        widths.type = std::max(widths.type, to_text(row.entry->manifest.type).size());
    }
    return widths;
}

// "  └ name", filled up to `width` columns: the branch is three bytes and one column.
std::string name_column(const ChainRow& row, std::size_t width) {
    const auto deep = indent(row);
    const auto branch = deep == 0 ? std::string() : std::string(deep - 2, ' ') + "└ ";
    return fmt::format("{}{:<{}}", branch, row.entry->name, width - deep);
}

std::string text_of(const ChainRow& row, const Widths& widths) {
    const CatalogEntry& entry = *row.entry;
    const Manifest& manifest = entry.manifest;
    const auto name = name_column(row, widths.name);
    if (manifest.id.empty()) return fmt::format("{} {}\n", name, state_of(entry));
    return fmt::format("{} {:<{}} {:<24} {:>9} {:>9}  {:<18} {}{}\n", name, to_text(manifest.type),
                       widths.type, to_readable(manifest.started_at),
                       human_bytes(manifest.plain_bytes), human_bytes(entry.stored_bytes),
                       engine_summary(manifest), state_of(entry),
                       row.parent_missing ? ", its parent is missing" : "");
}

std::string table_of(const std::vector<ChainRow>& rows) {
    const auto widths = widths_of(rows);
    std::string text =
        fmt::format("{:<{}} {:<{}} {:<24} {:>9} {:>9}  {:<18} {}\n", "NAME", widths.name, "TYPE",
                    widths.type, "STARTED", "DATA", "STORED", "DATABASE", "STATE");
    for (const auto& row : rows) text += text_of(row, widths);
    return text;
}

// What one repository holds.
struct Held {
    std::string place;
    Catalog catalog;
    LogHistory history;
};

Result<Held> load(const OpsContext& context, const Destination& destination) {
    StoreReader& store = *destination.reader;
    Held held{.place = store.place(), .catalog = {}, .history = {}};
    ASB_TRY(held.catalog, load_known_catalog(context, destination.place, store));
    ASB_TRY(held.history, load_log_history(store, held.catalog));
    return held;
}

// Each backup once, as the first repository has it that has it whole.
Catalog merged(const std::vector<Held>& all) {
    std::map<std::string, CatalogEntry> entries;
    for (const auto& held : all)
        for (const auto& entry : held.catalog.entries) {
            const auto [found, is_new] = entries.try_emplace(entry.name, entry);
            if (!is_new && found->second.state != CatalogEntry::State::ok) found->second = entry;
        }
    Catalog catalog;
    catalog.entries.reserve(entries.size());
    for (auto& [name, entry] : entries) catalog.entries.push_back(std::move(entry));
    return catalog;
}

bool has_whole(const Held& held, const std::string& name) {
    const auto* entry = held.catalog.find(name);
    return entry != nullptr && entry->state == CatalogEntry::State::ok;
}

Json places_of(const std::vector<Held>& all, const std::string& name) {
    Json places = Json::array();
    for (const auto& held : all)
        if (has_whole(held, name)) places.push_back(held.place);
    return places;
}

// "3 backups in PLACE", and which of the others' it lacks.
std::string summary_of(const Held& held, const Catalog& catalog) {
    constexpr std::size_t kNamedMax = 5;
    std::vector<std::string> missing;
    for (const auto& entry : catalog.entries)
        if (!has_whole(held, entry.name)) missing.push_back(entry.name);
    std::string text =
        fmt::format("{} in {}", counted(held.catalog.entries.size(), "backup"), held.place);
    if (missing.empty()) return text + "\n";
    const auto count = missing.size();
    missing.resize(std::min(count, kNamedMax));
    return fmt::format("{}; NOT whole there: {}{}\n", text, join(missing, ", "),
                       count > kNamedMax ? fmt::format(" and {} more", count - kNamedMax) : "");
}

// The reach of the first repository's chains, and of another's where it differs.
std::string reach_of(const OpsContext& context, const std::vector<Held>& all) {
    const auto first = chains_text(context, all.front().history);
    std::string text = first;
    for (std::size_t i = 1; i < all.size(); ++i)
        if (const auto other = chains_text(context, all[i].history); other != first)
            text += fmt::format("in {}:\n{}", all[i].place,
                                other.empty() ? "  nothing can be reached\n" : other);
    return text;
}

Report describe(const OpsContext& context, const std::vector<Held>& all) {
    const auto catalog = merged(all);
    Report report;
    report.document = {{"repository", all.front().place},
                       {"repositories", Json::array()},
                       {"backups", Json::array()},
                       {"chains", chains_json(context, all.front().history)}};
    for (const auto& entry : catalog.entries) {
        auto json = to_json(entry);
        json["places"] = places_of(all, entry.name);
        report.document["backups"].push_back(std::move(json));
    }
    if (!catalog.entries.empty()) report.text = table_of(chain_rows(catalog));
    for (const auto& held : all) {
        report.text += catalog.entries.empty() ? fmt::format("no backups in {}\n", held.place)
                                               : summary_of(held, catalog);
        report.document["repositories"].push_back(
            {{"place", held.place}, {"chains", chains_json(context, held.history)}});
    }
    report.text += reach_of(context, all);
    return report;
}

}  // namespace

Result<Report> list_backups(const OpsContext& context) {
    ASB_TRY(auto places, look_at_repositories(context));
    std::vector<Held> all;
    for (auto& place : places) {
        if (place.failed) continue;
        auto held = load(context, place);
        if (held)
            all.push_back(std::move(*held));
        else
            place.failed = held.error();
    }
    if (all.empty()) return *places.front().failed;
    auto report = describe(context, all);
    for (const auto& place : places) {
        if (!place.failed) continue;
        report.text += fmt::format("NOT READ: {}: {}\n", place.name, printable(place.failed->fact));
        report.document["repositories"].push_back(
            {{"place", place.name}, {"error", printable(place.failed->fact)}});
        report.outcome = Code::incomplete;
    }
    return report;
}

}  // namespace asb
