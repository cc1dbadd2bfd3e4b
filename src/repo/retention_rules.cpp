#include "repo/retention_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

using std::chrono::days;

// The instant in a backup's name; the epoch when it has none.
Instant stamp_of(std::string_view name) {
    if (!is_backup_name(name)) return {};
    const auto s = name.substr(kNamePrefix.size());
    const auto parsed = parse_iso8601(fmt::format("{}-{}-{}T{}:{}:{}.000Z", s.substr(0, 4),
                                                  s.substr(4, 2), s.substr(6, 2), s.substr(9, 2),
                                                  s.substr(11, 2), s.substr(13, 2)));
    return parsed ? *parsed : Instant{};
}

// Two databases in one repository are counted apart; one that has no log is told by its engines.
std::string database_of(const Manifest& manifest) {
    if (manifest.log)
        return fmt::format("{} {}", manifest.log->engine, manifest.log->facts.identity);
    std::string names;
    for (const auto& engine : manifest.engines.items()) names += fmt::format("{} ", engine.key());
    return names;
}

RetentionEntry seen(const CatalogEntry& entry) {
    const auto stamp = stamp_of(entry.name);
    RetentionEntry seen{
        .entry = &entry,
        .time = std::max({stamp, entry.manifest.started_at, entry.manifest.finished_at}),
        .started = std::max(stamp, entry.manifest.started_at),
        .is_good = entry.state == CatalogEntry::State::ok,
        .database = database_of(entry.manifest)};
    // Of unknown age: it never becomes old.
    if (seen.time == Instant{}) seen.time = Instant::max();
    return seen;
}

std::string days_text(std::uint32_t count) {
    return counted(count, "day");
}

std::string reason_of(const Hold& hold) {
    if (!hold.problem.empty())
        return fmt::format("held: a hold on it cannot be read ({})", printable(hold.problem));
    const auto until =
        hold.expires_at ? fmt::format(" until {}", to_readable(*hold.expires_at)) : "";
    return fmt::format("held by {}{} because: {}", printable(hold.owner), until,
                       printable(hold.reason));
}

// A calendar period that a day in UTC lies in.
std::int64_t day_period(Instant time) {
    return std::chrono::floor<days>(time).time_since_epoch().count();
}
std::int64_t week_period(Instant time) {
    // 1970-01-01 was a Thursday; weeks begin on Monday.
    return std::chrono::floor<std::chrono::weeks>(time.time_since_epoch() + days(3)).count();
}
std::int64_t year_period(Instant time) {
    return static_cast<int>(std::chrono::year_month_day(std::chrono::floor<days>(time)).year());
}
std::int64_t month_period(Instant time) {
    const std::chrono::year_month_day date(std::chrono::floor<days>(time));
    return year_period(time) * 12 + static_cast<unsigned>(date.month());
}

class Rules {
  public:
    Rules(const RetentionCatalog& catalog, const RetentionPolicy& policy,
          const std::vector<Hold>& holds, Instant now, KeptBackups& kept)
        : catalog_(catalog), policy_(policy), holds_(holds), now_(now), kept_(kept) {}

    // In the order in which reasons are worth telling.
    void apply() {
        keep_held();
        for (std::size_t i = 0; i < catalog_.size(); ++i) keep_young(i);
        keep_last_good();
        for (std::size_t i = 0; i < catalog_.size(); ++i) keep_within_days(i);
        for (const auto& [key, members] : series()) keep_counts(members);
        for (std::size_t i = 0; i < catalog_.size(); ++i) keep_without_rule(i);
        keep_damaged();
    }

  private:
    [[nodiscard]] BackupType type(std::size_t index) const { return catalog_.manifest(index).type; }
    [[nodiscard]] bool is_too_old(std::size_t index) const {
        return policy_.max_age_days != 0 &&
               catalog_[index].time < days_before(now_, policy_.max_age_days);
    }
    // A clock that was wrong must not make everything else look older than the newest one.
    [[nodiscard]] bool is_from_future(std::size_t index) const {
        return catalog_[index].time > now_;
    }

    void keep_held() {
        for (const auto& hold : holds_) {
            const auto index = catalog_.find(hold.backup);
            if (index != RetentionCatalog::kNone && hold.is_in_force(now_))
                kept_.keep(index, reason_of(hold));
        }
    }

    void keep_young(std::size_t index) {
        const auto time = catalog_[index].time;
        if (time == Instant::max())
            kept_.keep(index, "nothing says when it was made");
        else if (is_from_future(index))
            kept_.keep(index, fmt::format("it was made at {}, which is not yet: a clock was wrong",
                                          to_readable(time)));
        else if (policy_.min_age_days != 0 && time >= days_before(now_, policy_.min_age_days))
            kept_.keep(index, fmt::format("younger than RETENTION_MIN_DAYS ({})",
                                          days_text(policy_.min_age_days)));
    }

    // The good ones of one type of one database that count now, the newest first.
    using Series = std::map<std::pair<BackupType, std::string>, std::vector<std::size_t>>;
    [[nodiscard]] Series series() const {
        Series series;
        for (std::size_t i = 0; i < catalog_.size(); ++i)
            if (catalog_[i].is_good && !is_from_future(i))
                series[{type(i), type(i) == BackupType::config ? "" : catalog_[i].database}]
                    .push_back(i);
        for (auto& [key, members] : series)
            std::ranges::sort(members, std::greater<>(), [&](std::size_t i) {
                return std::pair(catalog_[i].started, catalog_[i].entry->name);
            });
        return series;
    }

    void keep_last_good() {
        for (const auto& [key, members] : series())
            kept_.keep(members.front(), fmt::format("the last good {} backup", to_text(key.first)));
    }

    void keep_within_days(std::size_t index) {
        const auto limit = policy_.rules_of(type(index)).days;
        if (limit != 0 && catalog_[index].time >= days_before(now_, limit))
            kept_.keep(index, fmt::format("younger than {}", days_text(limit)));
    }

    void keep_counts(const std::vector<std::size_t>& members) {
        const auto kind = type(members.front());
        if (kind == BackupType::incremental) return;
        const auto& rules = policy_.rules_of(kind);
        for (std::size_t i = 0; i < std::min<std::size_t>(rules.last, members.size()); ++i)
            keep_counted(members[i], rules.last, "last");
        keep_periods(members, rules.daily, "daily", day_period);
        keep_periods(members, rules.weekly, "weekly", week_period);
        keep_periods(members, rules.monthly, "monthly", month_period);
        keep_periods(members, rules.yearly, "yearly", year_period);
    }
    void keep_periods(const std::vector<std::size_t>& members, std::uint32_t count,
                      std::string_view word, std::int64_t (*period_of)(Instant)) {
        std::optional<std::int64_t> period;
        std::uint32_t found = 0;
        for (const auto index : members) {
            const auto own = period_of(catalog_[index].started);
            if (period == own) continue;
            if (found++ == count) return;
            period = own;
            keep_counted(index, count, word);
        }
    }
    void keep_counted(std::size_t index, std::uint32_t count, std::string_view word) {
        if (is_too_old(index)) return;
        kept_.keep(index, count == 1 ? fmt::format("the {} one", word)
                                     : fmt::format("one of the {} {} ones", count, word));
    }

    void keep_without_rule(std::size_t index) {
        if (catalog_[index].is_good && !policy_.rules_of(type(index)).any() && !is_too_old(index))
            kept_.keep(index, "no rule says how long it stays");
    }

    // They count for nothing, and only their age lets them go; not even that while there is no good
    // full backup after them: then they are all that somebody could try to save.
    void keep_damaged() {
        Instant good{};
        for (std::size_t i = 0; i < catalog_.size(); ++i)
            if (catalog_[i].is_good && type(i) == BackupType::full)
                good = std::max(good, catalog_[i].started);
        for (std::size_t i = 0; i < catalog_.size(); ++i) {
            if (catalog_[i].is_good) continue;
            if (catalog_[i].started >= good)
                kept_.keep(i, "damaged, but no good full backup is newer");
            else if (policy_.rules_of(type(i)).days == 0 && !is_too_old(i))
                kept_.keep(i, "damaged, and no rule says at which age that goes");
        }
    }

    const RetentionCatalog& catalog_;
    const RetentionPolicy& policy_;
    const std::vector<Hold>& holds_;
    Instant now_;
    KeptBackups& kept_;
};

}  // namespace

bool KeptBackups::keep(std::size_t index, std::string reason) {
    if (is_kept(index)) return false;
    reasons_[index] = std::move(reason);
    return true;
}

RetentionCatalog::RetentionCatalog(const Catalog& catalog)
    : parents_(catalog.entries.size(), kNone) {
    entries_.reserve(catalog.entries.size());
    for (const auto& entry : catalog.entries) {
        by_name_.emplace(entry.name, entries_.size());
        entries_.push_back(seen(entry));
    }
    find_parents();
    find_places();
}

void RetentionCatalog::find_parents() {
    for (std::size_t i = 0; i < size(); ++i) {
        const auto& parent = manifest(i).parent;
        if (manifest(i).type != BackupType::incremental || !parent) continue;
        const auto found = find(parent->name);
        // One whose manifest cannot be read may be it.
        if (found != kNone && found != i &&
            (manifest(found).id == parent->id || manifest(found).id.empty()))
            parents_[i] = found;
    }
}

std::size_t RetentionCatalog::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? kNone : found->second;
}

void RetentionCatalog::find_places() {
    places_.resize(size());
    std::vector<std::size_t> way;
    for (std::size_t i = 0; i < size(); ++i) {
        // Up to one whose place is known; manifests that name each other in a circle end it too.
        way.clear();
        for (auto at = i; at != kNone && places_[at].depth == kNone; at = parents_[at]) {
            const bool goes_on = manifest(at).type == BackupType::incremental;
            places_[at] = {.depth = goes_on ? std::size_t{1} : 0, .root = at};
            way.push_back(at);
        }
        for (auto at = way.rbegin(); at != way.rend(); ++at)
            if (const auto parent = parents_[*at]; parent != kNone)
                places_[*at] = {.depth = places_[parent].depth + 1, .root = places_[parent].root};
    }
}

Instant days_before(Instant now, std::uint32_t days_back) {
    return now - days(std::min(days_back, kRetentionDaysMax));
}

void keep_by_rules(const RetentionCatalog& catalog, const RetentionPolicy& policy,
                   const std::vector<Hold>& holds, Instant now, KeptBackups& kept) {
    Rules(catalog, policy, holds, now, kept).apply();
}

void keep_parents(const RetentionCatalog& catalog, KeptBackups& kept) {
    for (std::size_t i = 0; i < catalog.size(); ++i) {
        if (!kept.is_kept(i)) continue;
        auto child = i;
        for (auto at = catalog.parent_of(i); at != RetentionCatalog::kNone;
             child = at, at = catalog.parent_of(at))
            // What was kept before has had its turn, or will have it.
            if (!kept.keep(at, fmt::format("the incremental backup {} goes on from it",
                                           catalog[child].entry->name)))
                break;
    }
}

}  // namespace asb
