#pragma once
// Why this exists: between the first entry of an archive and the swap, a restore knows each
// collection twice: as the backup has it (name, UUID, options, indexes) and as it is staged on the
// target. Operations of the oplog change both.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {

struct StagedCollection {
    enum class Kind { plain, view, time_series };
    std::string database;
    std::string name;     // as the backup has it, and as it will be again
    std::string home;     // the target's database; another one than `database` when the URL says so
    std::string staged;   // where its documents are until then, in `home`; empty: a view
    std::string uuid;     // of the backup, 16 bytes; empty when it was not told
    std::string options;  // BSON
    Kind kind = Kind::plain;
    bool buckets = false;  // of a time series: the documents are its raw buckets, not measurements
    // BSON, without the index on _id. Built last.
    std::vector<std::string> indexes;
    // Few documents that are merged into what is there (users, roles, functions) and so are never a
    // collection of their own: _id as bytes -> document.
    bool kept = false;
    std::map<std::string, std::string> documents;
    std::size_t documents_bytes = 0;  // as they came from the archive

    // Documents stand in the order in which they were inserted, which must be kept.
    [[nodiscard]] bool ordered() const { return view_of(options).flag("capped"); }
    [[nodiscard]] std::string name_space() const;
};

// "x" of "system.buckets.x", where a time series keeps its documents; else the name itself.
std::string_view plain_name(std::string_view collection);

// The bytes by which an _id is told from another: its type and its value.
std::string id_key(const BsonElement& id);

// Not thread-safe. Pointers stay good until the collection is removed.
class RestoreCatalog {
  public:
    explicit RestoreCatalog(std::string restore_id) : restore_id_(std::move(restore_id)) {}

    // Gives it a staging name unless it is a view or kept. Nullptr when the name is taken.
    StagedCollection* add(StagedCollection collection);
    // By UUID where one is given and known, else by name, unless that is known to be another
    // collection (its UUID differs): nullptr then.
    [[nodiscard]] StagedCollection* find(std::string_view database, std::string_view name,
                                         std::string_view uuid) const;
    [[nodiscard]] StagedCollection* named(std::string_view database, std::string_view name) const;
    void remove(const StagedCollection* collection);
    [[nodiscard]] const std::vector<std::unique_ptr<StagedCollection>>& all() const {
        return collections_;
    }
    [[nodiscard]] const std::string& restore_id() const { return restore_id_; }

  private:
    [[nodiscard]] std::string free_staging_name(const StagedCollection& collection) const;
    std::string restore_id_;
    std::vector<std::unique_ptr<StagedCollection>> collections_;
};

// "users__restore_<id>": `name` shortened where a namespace could become longer than the server's
// limit, never a name that servers keep for themselves.
std::string derived_name(std::string_view database, std::string_view name, std::string_view suffix);

// Index catalogue: `spec` replaces one of the same name. The index on _id is left out: it is made
// with the collection.
void set_index(StagedCollection& collection, BsonView spec);
// `which`: a name, "*", or a key document; nothing happens when there is none.
void drop_index(StagedCollection& collection, const BsonElement& which);
// collMod's {name | keyPattern, expireAfterSeconds, hidden, unique, prepareUnique}.
void modify_index(StagedCollection& collection, BsonView change);

}  // namespace asb::mongodb
