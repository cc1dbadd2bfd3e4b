#pragma once
// Why this exists: the documents of a backup were read over a span of time; replaying the oplog of
// that span makes them what they were at its end. By ordinary writes: applyOps, which could take
// entries as they are, needs rights over everything, locks the whole server, and is missing in
// managed and compatible servers.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/log.hpp"
#include "engine/mongodb/oplog_entry.hpp"
#include "engine/mongodb/oplog_window.hpp"
#include "engine/mongodb/restore_catalog.hpp"

namespace asb::mongodb {

// What the commands of an oplog ask of the staging area, besides documents.
class StagedDefinitions {
  public:
    virtual ~StagedDefinitions() = default;
    virtual Status create(const StagedCollection& collection) = 0;
    virtual Status drop(const StagedCollection& collection) = 0;
    virtual Status empty(const StagedCollection& collection) = 0;
    // collMod with these fields (of options, not of an index).
    virtual Status modify(const StagedCollection& collection, BsonView fields) = 0;
    virtual Status convert_to_capped(const StagedCollection& collection, std::int64_t bytes) = 0;
};

// Whether a collection of the backup is to be restored, and how a new one is to be held.
struct ReplayScope {
    // The target's database for one of the backup.
    std::function<std::string(std::string_view database)> home;
    std::function<bool(std::string_view database, std::string_view collection)> wanted;
    std::function<bool(std::string_view database, std::string_view collection)> kept;
};

// Takes entries one after another, of one slice or of several that follow each other; `finish` says
// whether the result is whole. Not thread-safe.
//
// Which collection an entry means is told by its UUID: names change within a slice, and an entry
// on a collection that was dropped before it was copied must not reach a new one of that name.
class OplogReplay {
  public:
    OplogReplay(RestoreCatalog& catalog, StagedDocuments& documents, StagedDefinitions& definitions,
                ReplayScope scope);

    // One BSON document. `damaged`/`database` naming the entry.
    Status take(Bytes entry);
    // Entries of this position and later are not taken (as mongorestore's --oplogLimit); 0: no
    // limit. A transaction counts by its commit.
    void set_limit(Position limit) { limit_ = limit; }
    // The entries of the copy's own slice have come: from here on each meets the state at exactly
    // the position before it, where names are enough to tell collections apart. As `finish`.
    Status leave_copy();
    // Writes what is collected. `damaged` when an update had no document to go to: the backup is
    // torn.
    Status finish();

    [[nodiscard]] Position last() const { return last_; }
    // When that was, by the server's clock.
    [[nodiscard]] CommitTime last_wall() const { return last_wall_; }
    [[nodiscard]] std::uint64_t applied() const { return applied_; }
    // Transactions that the slice does not end: they never happened.
    [[nodiscard]] std::size_t discarded_transactions() const {
        return transactions_.open_transactions();
    }

  private:
    Status apply(const OplogEntry& entry);
    Status change(const OplogEntry& entry);
    Status change_view(const OplogEntry& entry);
    Status command(const OplogEntry& entry);
    Status create(const OplogEntry& entry);
    Status drop(const OplogEntry& entry);
    Status drop_database(const OplogEntry& entry);
    Status rename(const OplogEntry& entry);
    Status rename_unknown(const OplogEntry& entry, std::string_view from, std::string_view to);
    Status drop_rename_target(const OplogEntry& entry, const StagedCollection* source,
                              std::string_view name);
    Status create_indexes(const OplogEntry& entry);
    Status drop_indexes(const OplogEntry& entry);
    Status modify(const OplogEntry& entry);
    Status convert_to_capped(const OplogEntry& entry);
    Status empty(const OplogEntry& entry);
    Status discard(StagedCollection& collection);
    [[nodiscard]] StagedCollection* find(std::string_view database, std::string_view name,
                                         std::string_view uuid) const;
    // The collection that a command's first field names; nullptr: not (or no longer) staged.
    [[nodiscard]] StagedCollection* target(const OplogEntry& entry) const;

    RestoreCatalog& catalog_;
    StagedDefinitions& definitions_;
    ReplayScope scope_;
    OplogWindow window_;
    TransactionAssembler transactions_;
    // Collections with entries that have gone by their UUID, though another has their name now:
    // UUID -> name. Each must be dropped before the end.
    std::map<std::string, std::string> passed_over_;
    Position limit_ = 0;
    Position last_ = 0;
    CommitTime last_wall_{};
    bool exact_ = false;
    std::uint64_t applied_ = 0;
};

}  // namespace asb::mongodb
