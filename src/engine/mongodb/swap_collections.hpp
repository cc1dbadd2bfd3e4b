#pragma once
// Why this exists: the one short step of a restore: what was staged takes its place, and what was
// there gets another name. Every step can be done again, and up to the last rename be undone.

#include <map>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "engine/mongodb/swap_journal.hpp"

namespace asb::mongodb {

// One database of the target. Used by one thread.
class CollectionSwap {
  public:
    CollectionSwap(MongoConnection& connection, std::string home, SwapJournal journal)
        : connection_(connection), home_(std::move(home)), journal_(std::move(journal)) {}

    // All renames, and old views out of the way. Done again, it goes on where it ended.
    Status rename_all();
    // Takes back what rename_all did, as far as it came.
    Status undo();
    // What cannot be renamed is made: copies and views. One that cannot be made is named in
    // `incomplete`; what it is made of stays under a printed name.
    Status make_rest();
    // Drops what is old when the journal says so, and the journal.
    Status finish();

    // "auth.users -> auth.users__before_..." for each that was kept.
    [[nodiscard]] const std::vector<std::string>& kept() const { return kept_; }
    [[nodiscard]] const std::vector<std::string>& incomplete() const { return incomplete_; }

  private:
    Status look();
    [[nodiscard]] bool present(const std::string& name) const { return there_.contains(name); }
    Status rename_one(const SwapItem& item);
    Status undo_one(const SwapItem& item);
    Status move_aside(const SwapItem& item);
    Status put_view_aside(const SwapItem& item);
    Status rename(std::string_view point, const std::string& from, const std::string& to);
    Status drop(const std::string& name);
    Status make_copy(const SwapItem& item);
    Status fill_copy(const SwapItem& item);
    Status make_view(const SwapItem& item);
    void keep_what_failed(const SwapItem& item, const Error& error);

    MongoConnection& connection_;
    std::string home_;
    SwapJournal journal_;
    std::map<std::string, bool> there_;  // name -> is a view
    std::vector<std::string> kept_;
    std::vector<std::string> incomplete_;
};

// Brings a database in order that an earlier restore died in: finishes its swap when that had
// begun, else drops what it had staged. `busy` when that restore still runs. Says what it did.
Status recover_database(MongoConnection& connection, const std::string& home, Log& log);
// Drops the staged collections of a restore and then its journal.
Status drop_staged(MongoConnection& connection, const std::string& home, const std::string& id);

// Builds `indexes` (BSON array of specifications) on a collection; those that cannot be built, each
// with the server's reason.
Result<std::vector<std::string>> build_indexes(MongoConnection& connection, const Place& place,
                                               BsonView indexes);

// The ending of staged names of a restore.
std::string staged_suffix(std::string_view id);

}  // namespace asb::mongodb
