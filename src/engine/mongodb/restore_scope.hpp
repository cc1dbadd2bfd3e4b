#pragma once
// Why this exists: which namespaces of a backup go where is decided once, from the URL, the backup
// and --only, and then asked by the entries, by the oplog and by the swap.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/settings.hpp"
#include "engine/engine.hpp"
#include "engine/mongodb/mongo_url.hpp"

namespace asb::mongodb {

// Read-only after it was made.
class RestoreScope {
  public:
    // `facts` of the manifest; empty when it is lost. `usage` when URL and request name no target.
    static Result<RestoreScope> decide(const MongoUrl& url, const RestoreRequest& request,
                                       const Json& facts);

    // Whether it becomes a collection of the target, or is kept and merged.
    [[nodiscard]] bool wants(std::string_view database, std::string_view collection) const;
    // Users, roles, functions: merged into what the target has.
    [[nodiscard]] static bool is_kept(std::string_view database, std::string_view collection);
    // Whether a user or role of that database is restored.
    [[nodiscard]] bool wants_users_of(std::string_view database) const;
    // The target's name for a database of the backup.
    [[nodiscard]] std::string home(std::string_view database) const;
    // The target's databases that will be replaced, as far as the manifest tells.
    [[nodiscard]] const std::vector<std::string>& homes() const { return homes_; }
    // Only what --only names is replaced; else a database becomes exactly the backup's.
    [[nodiscard]] bool partial() const { return !only_.empty(); }
    // Whether a present collection of the target would be replaced or moved aside.
    [[nodiscard]] bool replaces(std::string_view home, std::string_view collection) const;
    // Words of --only that none of `names` (databases and "db.collection") match.
    [[nodiscard]] std::vector<std::string> unmatched(const std::vector<std::string>& names) const;

  private:
    [[nodiscard]] bool in_database(std::string_view database) const;
    [[nodiscard]] bool chosen(std::string_view database, std::string_view collection) const;
    std::optional<std::string> source_;  // the one database of the backup that is wanted
    std::string target_;                 // its name on the target
    std::vector<std::string> only_;
    std::vector<std::string> homes_;
};

// The collection that an entry's stem stands for, without "$admin." (its database is then "admin")
// and without "system.buckets."; nullopt for a shortened stem.
struct EntryNamespace {
    std::string database;
    std::string collection;
};
std::optional<EntryNamespace> namespace_of(std::string_view folder, std::string_view stem);

}  // namespace asb::mongodb
