#include "ops/list.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/chains.hpp"
#include "ops/consistency.hpp"
#include "ops/sources.hpp"
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

}  // namespace

Result<Report> list_backups(const OpsContext& context) {
    ASB_TRY(const auto place, repository_place(context));
    ASB_TRY(const auto store, place.driver->open_reader(place.location));
    ASB_TRY(const auto catalog, load_catalog(*store, job_count(context.settings)));

    ASB_TRY(const auto history, load_log_history(*store, catalog));

    Report report;
    report.document = {{"repository", store->place()},
                       {"backups", Json::array()},
                       {"chains", chains_json(context, history)}};
    for (const auto& entry : catalog.entries) report.document["backups"].push_back(to_json(entry));
    report.text = catalog.entries.empty()
                      ? fmt::format("no backups in {}\n", store->place())
                      : table_of(chain_rows(catalog)) +
                            fmt::format("{} in {}\n", counted(catalog.entries.size(), "backup"),
                                        store->place());
    report.text += chains_text(context, history);
    return report;
}

}  // namespace asb
