#pragma once
// Why this exists: a swap is many renames, and a machine may die between two of them. What is to be
// done is written down in the database itself before the first one, so that the next restore can
// finish it; the same document keeps two restores out of one database.

#include <optional>
#include <string>
#include <vector>

#include "engine/mongodb/restore_server.hpp"

namespace asb::mongodb {

inline constexpr std::string_view kJournalCollection = "asb_restore_journal";

struct SwapItem {
    enum class Kind {
        view_aside,   // the old view gets another name
        drop_series,  // the old time series goes (--drop-old): it cannot be renamed
        aside,        // the old collection gets another name
        replace,      // the old collection gets another name, the staged one its name
        copy,         // the staged documents are copied into a collection made under the final name
        make_view,
    };
    Kind kind = Kind::replace;
    std::string name = {};
    std::string staged = {};      // replace, copy
    std::string before = {};      // the other name of what is old
    std::string definition = {};  // BSON, options of create: of the old view, the new one, the copy
    std::string indexes = {};     // BSON array, of the copy
    bool buckets = false;         // copy: the documents are raw buckets of a time series
};

// One restore in one database of the target. Permanent: a later version must finish an older one's.
struct SwapJournal {
    std::string id;     // of the restore; staged names end with "__restore_<id>"
    std::string owner;  // host, process and its start
    bool swapping = false;
    bool drop_old = false;
    std::vector<SwapItem> items;
};

// This process, as a journal names it.
std::string this_owner();
// Whether the process that wrote it still runs, as far as this host can tell. One of another host
// counts as running.
[[nodiscard]] bool is_running(const SwapJournal& journal);

std::string encode_journal(const SwapJournal& journal);
// `damaged` when it is not what encode_journal writes.
Result<SwapJournal> decode_journal(BsonView document);

// nullopt when no restore is or was under way there.
Result<std::optional<SwapJournal>> read_journal(MongoConnection& connection, std::string_view home);
// The first one in a database: `busy` when another restore was quicker.
Status begin_journal(MongoConnection& connection, std::string_view home,
                     const SwapJournal& journal);
// Replaces it; returns when a majority of the set has it.
Status write_journal(MongoConnection& connection, std::string_view home,
                     const SwapJournal& journal);
Status remove_journal(MongoConnection& connection, std::string_view home);

}  // namespace asb::mongodb
