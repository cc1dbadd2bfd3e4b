#include "ops/contents.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/opened.hpp"
#include "ops/restore_parts.hpp"
#include "ops/sources.hpp"

namespace asb {
namespace {

Result<std::vector<ContentLine>> lines_of(const OpsContext& context, const Manifest& manifest,
                                          const std::vector<StoredEntry>& entries) {
    std::vector<ContentLine> lines;
    for (const auto& [name, facts] : manifest.engines.items()) {
        ASB_TRY(const auto engine, open_engine_named(context, name));
        for (auto& line : engine->contents(facts, entries)) lines.push_back(std::move(line));
    }
    return lines;
}

std::string table(const std::vector<ContentLine>& lines) {
    constexpr std::size_t kKindWidthMin = 4;
    std::size_t width = kKindWidthMin;
    for (const auto& line : lines) width = std::max(width, line.kind.size());
    auto text = fmt::format("{:<{}}  {:>9}  NAME\n", "KIND", width, "SIZE");
    for (const auto& line : lines)
        text += fmt::format("{:<{}}  {:>9}  {}\n", line.kind, width, human_bytes(line.bytes),
                            printable(line.name));
    return text;
}

Json to_json(const ContentLine& line) {
    return {{"kind", line.kind}, {"name", printable(line.name)}, {"bytes", line.bytes}};
}

}  // namespace

Result<Report> list_contents(const OpsContext& context, const std::string& reference) {
    ASB_TRY(const auto opened, open_backup(context, reference));
    const Manifest& manifest = opened.archive.read.manifest;
    ASB_TRY(const auto contents, read_contents(opened.archive, read_options(context)));
    ASB_TRY(const auto lines, lines_of(context, manifest, stored_entries(contents)));

    Report report;
    report.text =
        table(lines) + fmt::format("{} in {}, {} entries; {} of {} read\n",
                                   counted(lines.size(), "item"), manifest.name,
                                   contents.entries.size(), human_bytes(contents.stored_bytes_read),
                                   human_bytes(manifest.body_length));
    report.document = {{"name", manifest.name},
                       {"entries", contents.entries.size()},
                       {"stored_bytes_read", contents.stored_bytes_read},
                       {"contents", Json::array()}};
    for (const auto& line : lines) report.document["contents"].push_back(to_json(line));
    return report;
}

}  // namespace asb
