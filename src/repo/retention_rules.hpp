#pragma once
// Why this exists: the half of retention that looks at backups only: their age, their place in the
// calendar, holds. What the log needs comes on top of it (retention_log.hpp).

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "repo/retention_plan.hpp"

namespace asb {

// A backup as the rules see it.
struct RetentionEntry {
    const CatalogEntry* entry = nullptr;  // borrowed from the catalog
    Instant time{};        // the latest that anything says of when it was made; max: not known
    Instant started{};     // its place in the calendar
    bool is_good = false;  // not damaged
    std::string database;  // whose it is, as far as it says so; "" when it cannot be read
};

// Why backups stay. The first reason that is given for a backup is the one that is told.
class KeptBackups {
  public:
    explicit KeptBackups(std::size_t count) : reasons_(count) {}
    // Whether it was not kept before.
    bool keep(std::size_t index, std::string reason);
    [[nodiscard]] bool is_kept(std::size_t index) const { return !reasons_[index].empty(); }
    [[nodiscard]] const std::string& reason(std::size_t index) const { return reasons_[index]; }

  private:
    std::vector<std::string> reasons_;  // empty: not kept
};

// The backups of a catalog, and which goes on from which.
class RetentionCatalog {
  public:
    static constexpr std::size_t kNone = ~std::size_t{0};

    // Borrows the catalog.
    explicit RetentionCatalog(const Catalog& catalog);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] const RetentionEntry& operator[](std::size_t index) const {
        return entries_[index];
    }
    [[nodiscard]] const std::vector<RetentionEntry>& entries() const { return entries_; }
    [[nodiscard]] const Manifest& manifest(std::size_t index) const {
        return entries_[index].entry->manifest;
    }
    // kNone when there is none of that name.
    [[nodiscard]] std::size_t find(std::string_view name) const;
    // The backup that an incremental one goes on from; kNone when it is missing or another one.
    [[nodiscard]] std::size_t parent_of(std::size_t index) const { return parents_[index]; }
    // How many backups it goes on from; at least 1 for an incremental one.
    [[nodiscard]] std::size_t depth_of(std::size_t index) const { return places_[index].depth; }
    // The backup at the beginning of its chain; itself when it stands alone.
    [[nodiscard]] std::size_t root_of(std::size_t index) const { return places_[index].root; }

  private:
    struct Place {
        std::size_t depth = kNone;  // kNone: not known yet
        std::size_t root = kNone;
    };
    void find_parents();
    void find_places();

    std::vector<RetentionEntry> entries_;
    std::vector<std::size_t> parents_;
    std::vector<Place> places_;
    std::unordered_map<std::string_view, std::size_t> by_name_;
};

// The instant `days` before `now`.
Instant days_before(Instant now, std::uint32_t days);

// All that stays by its own right: young, held, the last good one, within the days or one of a
// count; and the damaged ones that nothing lets go.
void keep_by_rules(const RetentionCatalog& catalog, const RetentionPolicy& policy,
                   const std::vector<Hold>& holds, Instant now, KeptBackups& kept);

// With each incremental backup that stays by its own right, those that it goes on from.
void keep_parents(const RetentionCatalog& catalog, KeptBackups& kept);

}  // namespace asb
