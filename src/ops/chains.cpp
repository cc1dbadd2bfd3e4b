#include "ops/chains.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "ops/recovery_text.hpp"

namespace asb {
namespace {

// Who goes on from whom.
class Family {
  public:
    explicit Family(const Catalog& catalog) {
        for (const auto& entry : catalog.entries) by_name_.emplace(entry.name, &entry);
        for (const auto& entry : catalog.entries)
            if (const auto* parent = parent_of(entry)) children_.emplace(parent, &entry);
    }

    // Null when it goes on from nothing, or from what is not there.
    [[nodiscard]] const CatalogEntry* parent_of(const CatalogEntry& entry) const {
        if (!goes_on(entry)) return nullptr;
        const auto found = by_name_.find(entry.manifest.parent->name);
        if (found == by_name_.end()) return nullptr;
        const bool is_same = found->second->manifest.id == entry.manifest.parent->id;
        return is_same && found->second != &entry ? found->second : nullptr;
    }
    static bool goes_on(const CatalogEntry& entry) {
        return entry.manifest.type == BackupType::incremental && entry.manifest.parent.has_value();
    }

    // `row`, and below it all that go on from it, to `rows`.
    void add_rows(const ChainRow& root, std::vector<ChainRow>& rows) {
        std::vector<ChainRow> waiting = {root};  // a stack: chains are long
        while (!waiting.empty()) {
            const ChainRow row = waiting.back();
            waiting.pop_back();
            if (!told_.insert(row.entry).second) continue;
            rows.push_back(row);
            const std::size_t deeper = row.depth == 0 || children_.count(row.entry) > 1 ? 1 : 0;
            const auto [first, last] = children_.equal_range(row.entry);
            for (auto child = last; child != first;)
                waiting.push_back({.entry = (--child)->second,
                                   .depth = row.depth + deeper,
                                   .parent_missing = false});
        }
    }
    [[nodiscard]] bool is_told(const CatalogEntry& entry) const { return told_.contains(&entry); }

  private:
    std::map<std::string_view, const CatalogEntry*> by_name_;
    std::multimap<const CatalogEntry*, const CatalogEntry*> children_;
    std::set<const CatalogEntry*> told_;
};

// Of what a line has after it was left; whoever names a time is given the newest line's.
std::string left_behind_text(const LogWindow& window, const PositionText& with_line) {
    const auto& left = *window.left_behind;
    return fmt::format(
        "    attention: line {} is not the newest; line {} shares its past up to {} only. A time "
        "that a newer line has too is that line's; --target-position '{}' is on this one\n",
        window.to.line, left.line, without_line(with_line)({.line = left.parent, .at = left.at}),
        with_line(window.to));
}

std::string window_text(const LogHistory& history, const LogWindow& window,
                        const PositionText& position) {
    return fmt::format("  restorable from {} to {} ({} to {}), from {} on\n",
                       to_iso8601_us(window.from_time), to_iso8601_us(window.to_time),
                       position(window.from), position(window.to), history.backups[window.base]);
}

std::string log_paragraph(const LogHistory& history, const DatabaseLog& log,
                          const PositionText& with_line) {
    const auto found = restorable_windows(log);
    const auto position = lines_of(log).size() <= 1 ? without_line(with_line) : with_line;
    std::string text = fmt::format("log {} ({})\n", log.id, log.engine.empty() ? "-" : log.engine);
    if (found.windows.empty()) text += "  not restorable: no full backup of it is left\n";
    for (const auto& window : found.windows) {
        text += window_text(history, window, position);
        if (window.left_behind) text += left_behind_text(window, with_line);
    }
    for (const auto& gap : found.gaps)
        text +=
            fmt::format("  gap: nothing covers {} to {}\n", position(gap.from), position(gap.to));
    return text;
}

Json log_json(const LogHistory& history, const DatabaseLog& log, const PositionText& with_line) {
    const auto position = without_line(with_line);
    const auto found = restorable_windows(log);
    Json json = {{"log", log.id},
                 {"engine", log.engine},
                 {"windows", Json::array()},
                 {"gaps", Json::array()}};
    for (const auto& window : found.windows) {
        json["windows"].push_back({{"base", history.backups[window.base]},
                                   {"from", to_iso8601_us(window.from_time)},
                                   {"to", to_iso8601_us(window.to_time)},
                                   {"from_position", position(window.from)},
                                   {"to_position", position(window.to)},
                                   {"line", window.to.line}});
        if (window.last_commit != kNoTime)
            json["windows"].back()["last_commit"] = to_iso8601_us(window.last_commit);
        if (window.left_behind)
            json["windows"].back()["left_behind_at"] =
                position({.line = window.left_behind->parent, .at = window.left_behind->at});
    }
    for (const auto& gap : found.gaps)
        json["gaps"].push_back(
            {{"from_position", position(gap.from)}, {"to_position", position(gap.to)}});
    return json;
}

}  // namespace

std::vector<ChainRow> chain_rows(const Catalog& catalog) {
    Family family(catalog);
    std::vector<ChainRow> rows;
    for (const auto& entry : catalog.entries)
        if (family.parent_of(entry) == nullptr)
            family.add_rows({.entry = &entry, .depth = 0, .parent_missing = Family::goes_on(entry)},
                            rows);
    // Manifests that name each other as parents were made by nobody's backup: shown all the same.
    for (const auto& entry : catalog.entries)
        if (!family.is_told(entry))
            family.add_rows({.entry = &entry, .depth = 0, .parent_missing = false}, rows);
    return rows;
}

std::string chains_text(const OpsContext& context, const LogHistory& history) {
    std::string text;
    for (const auto& log : history.logs)
        text += log_paragraph(history, log, position_text_of(context, log.engine));
    return text;
}

Json chains_json(const OpsContext& context, const LogHistory& history) {
    Json json = Json::array();
    for (const auto& log : history.logs)
        json.push_back(log_json(history, log, position_text_of(context, log.engine)));
    return json;
}

}  // namespace asb
