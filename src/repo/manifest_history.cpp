#include "repo/manifest_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "repo/json_fields.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

class Checker {
    using Kind = HistoryFinding::Kind;

  public:
    Checker(const Catalog& catalog, const RemovalRecords& removals)
        : catalog_(catalog), removals_(removals) {
        for (const auto& entry : catalog.entries) present_.emplace(entry.name, &entry);
        for (const auto& record : removals.records) {
            records_.emplace(record.key, &record);
            for (const auto& backup : record.backups) removed_.emplace(backup.name, &backup);
        }
    }

    void check_backups() {
        for (const auto& entry : catalog_.entries)
            if (entry.manifest.previous) check_named(*entry.manifest.previous, entry.name);
        for (const auto& record : removals_.records)
            for (const auto& backup : record.backups)
                if (backup.previous) check_named(*backup.previous, backup.name);
    }

    void check_records() {
        for (const auto& problem : removals_.damaged)
            add(Kind::record_damaged, "",
                fmt::format("a record of removal is damaged: {}", printable(problem)));
        for (const auto& record : removals_.records)
            for (const auto& previous : record.previous) check_record(previous, record.key);
    }

    void check_remembered(const RepositoryHead& head) {
        if (!head.newest.empty() && !is_known(head.newest))
            add(Kind::rolled_back, head.newest,
                fmt::format("{} was the newest backup when this repository was last seen; now it "
                            "is missing, and no record says that it was removed",
                            head.newest));
        else if (!head.newest.empty())
            check_digest({.name = head.newest, .digest = head.digest}, "what was last seen of it");
        const auto count = backups_ever();
        if (count < head.count)
            add(Kind::thinned_out, "",
                fmt::format("of {} that were ever there when this repository was last seen, only "
                            "{} are there or in a record of removal",
                            counted(head.count, "backup"), count));
    }

    // Those that are there and those that a record names.
    [[nodiscard]] std::uint64_t backups_ever() const {
        std::uint64_t count = present_.size();
        for (auto backup = removed_.begin(); backup != removed_.end();
             backup = removed_.upper_bound(backup->first))
            if (!present_.contains(backup->first)) ++count;
        return count;
    }

    HistoryCheck take() { return std::move(check_); }

  private:
    void add(Kind kind, std::string_view name, std::string text) {
        if (told_.emplace(kind, std::string(name)).second || name.empty())
            check_.findings.push_back(
                {.kind = kind, .name = std::string(name), .text = std::move(text)});
    }
    [[nodiscard]] bool is_known(std::string_view name) const {
        return present_.contains(name) || removed_.contains(name);
    }

    void check_named(const PreviousManifest& named, std::string_view by) {
        if (!is_known(named.name))
            add(Kind::missing, named.name,
                fmt::format("{} is missing: {} was made after it, and no record says that it was "
                            "removed",
                            printable(named.name), by));
        else
            check_digest(named, by);
    }

    // The one that is there, or else one that was removed, must be what was named. What could not
    // be read is told as damaged elsewhere.
    void check_digest(const PreviousManifest& named, std::string_view by) {
        const auto entry = present_.find(named.name);
        const auto [first, last] = removed_.equal_range(named.name);
        const bool is_same =
            entry != present_.end()
                ? entry->second->digest == named.digest || entry->second->digest == Digest{}
                : std::any_of(first, last, [&](const auto& removed) {
                      const auto& digest = removed.second->digest;
                      return !digest || *digest == named.digest;
                  });
        if (!is_same)
            add(Kind::replaced, named.name,
                fmt::format("{} was replaced: its manifest is not the one that {} names",
                            named.name, by));
    }

    void check_record(const PreviousManifest& named, std::string_view by) {
        const auto found = records_.find(named.name);
        if (found != records_.end() && found->second->digest == named.digest) return;
        const bool is_gone = found == records_.end();
        // One that is there but cannot be read is told as damaged.
        if (is_gone && is_damaged(named.name)) return;
        add(is_gone ? Kind::record_missing : Kind::record_replaced, named.name,
            is_gone ? fmt::format("the record of removal {} is missing: {} was made after it",
                                  named.name, by)
                    : fmt::format("the record of removal {} is not the one that {} names",
                                  named.name, by));
    }
    [[nodiscard]] bool is_damaged(std::string_view key) const {
        return std::ranges::any_of(removals_.damaged, [&](const auto& problem) {
            return problem.find(key) != std::string::npos;
        });
    }

    const Catalog& catalog_;
    const RemovalRecords& removals_;
    std::map<std::string_view, const CatalogEntry*> present_;
    std::multimap<std::string_view, const RemovedBackup*> removed_;
    std::map<std::string_view, const RemovalRecord*> records_;
    std::set<std::pair<Kind, std::string>> told_;  // each once
    HistoryCheck check_;
};

}  // namespace

RepositoryHead head_of(const Catalog& catalog, const RemovalRecords& removals, std::string place) {
    RepositoryHead head{.place = std::move(place), .newest = {}, .digest = {}, .count = 0};
    for (const auto& entry : catalog.entries)
        if (entry.digest != Digest{}) {
            head.newest = entry.name;
            head.digest = entry.digest;
        }
    head.count = Checker(catalog, removals).backups_ever();
    return head;
}

std::string to_text(const RepositoryHead& head) {
    return canonical({{"version", kHeadVersion},
                      {"place", head.place},
                      {"newest", head.newest},
                      {"sha256", to_hex(head.digest)},
                      {"count", head.count}}) +
           "\n";
}

Result<RepositoryHead> parse_head(std::string_view text, std::string_view what) {
    if (text.size() > kHeadBytesMax)
        return fail(Code::damaged, "{} is longer than what is remembered of a repository", what);
    ASB_TRY(const auto document, parse_json(text, what));
    if (!document.is_object() || document.value("version", Json()) != kHeadVersion)
        return fail(Code::damaged, "{} is not what this program remembers of a repository", what);
    Fields fields(document, what);
    RepositoryHead head{.place = fields.text("place"),
                        .newest = fields.text("newest"),
                        .digest = fields.hex<32>("sha256"),
                        .count = fields.number("count")};
    if (!head.newest.empty() && !is_backup_name(head.newest)) fields.bad("newest");
    ASB_CHECK(fields.status());
    if (to_text(head) != text) return fail(Code::damaged, "{} is not in canonical form", what);
    return head;
}

std::string_view to_text(HistoryFinding::Kind kind) {
    using Kind = HistoryFinding::Kind;
    switch (kind) {
        case Kind::missing:
            return "missing";
        case Kind::replaced:
            return "replaced";
        case Kind::record_missing:
            return "record_missing";
        case Kind::record_replaced:
            return "record_replaced";
        case Kind::record_damaged:
            return "record_damaged";
        case Kind::rolled_back:
            return "rolled_back";
        case Kind::thinned_out:
            break;
    }
    return "thinned_out";
}

HistoryCheck check_manifest_history(const Catalog& catalog, const RemovalRecords& removals,
                                    const std::optional<RepositoryHead>& remembered) {
    Checker checker(catalog, removals);
    checker.check_backups();
    checker.check_records();
    if (remembered) checker.check_remembered(*remembered);
    return checker.take();
}

}  // namespace asb
