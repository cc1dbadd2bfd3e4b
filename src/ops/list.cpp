#include "ops/list.hpp"

#include <algorithm>

#include "base/text.hpp"
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

// Whether an engine says that its part is not of one moment (MongoDB without an oplog).
bool is_inconsistent(const Manifest& manifest) {
    return std::ranges::any_of(manifest.engines, [](const Json& facts) {
        return facts.is_object() && facts.value("inconsistent", Json(false)) == Json(true);
    });
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
    if (manifest.encryption) json["key_id"] = manifest.encryption->key.key_id;
    return json;
}

std::string row(const CatalogEntry& entry) {
    const Manifest& manifest = entry.manifest;
    if (manifest.id.empty()) return fmt::format("{:<36} {}\n", entry.name, state_of(entry));
    return fmt::format("{:<36} {:<7} {:<24} {:>9} {:>9}  {:<18} {}\n", entry.name,
                       to_text(manifest.type), to_readable(manifest.started_at),
                       human_bytes(manifest.plain_bytes), human_bytes(entry.stored_bytes),
                       engine_summary(manifest), state_of(entry));
}

}  // namespace

Result<Report> list_backups(const OpsContext& context) {
    ASB_TRY(const auto place, repository_place(context));
    ASB_TRY(const auto store, place.driver->open_reader(place.location));
    ASB_TRY(const auto catalog, load_catalog(*store, job_count(context.settings)));

    Report report;
    report.document = {{"repository", store->place()}, {"backups", Json::array()}};
    if (catalog.entries.empty()) {
        report.text = fmt::format("no backups in {}\n", store->place());
        return report;
    }
    report.text = fmt::format("{:<36} {:<7} {:<24} {:>9} {:>9}  {:<18} {}\n", "NAME", "TYPE",
                              "STARTED", "DATA", "STORED", "DATABASE", "STATE");
    for (const auto& entry : catalog.entries) {
        report.text += row(entry);
        report.document["backups"].push_back(to_json(entry));
    }
    report.text +=
        fmt::format("{} in {}\n", counted(catalog.entries.size(), "backup"), store->place());
    return report;
}

}  // namespace asb
