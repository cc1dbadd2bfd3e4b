#pragma once
// Why this exists: what of the oplog belongs to a scope stands in an archive as entries of a
// bounded size, whether a full backup or an incremental one writes them.

#include <optional>
#include <string>

#include "base/progress.hpp"
#include "codec/tar.hpp"
#include "engine/mongodb/dump_oplog_rules.hpp"
#include "engine/mongodb/dump_part.hpp"
#include "engine/mongodb/layout.hpp"

namespace asb {

// Takes out of an entry what belongs to the scope of `database` (empty: all of it). One thread.
class OplogFilter {
  public:
    explicit OplogFilter(std::string database) : database_(std::move(database)) {}
    // Valid until the next call, and while `entry` is; nullopt: nothing of it does.
    Result<std::optional<Bytes>> take(Bytes entry);
    [[nodiscard]] const std::string& database() const { return database_; }

  private:
    std::string database_;
    Bson changed_ = nullptr;
};

// Pushes what is added as mongodb/oplog.bson (or what else `name` says), or its parts. `sink` and
// `progress` outlive it.
class OplogParts {
  public:
    OplogParts(std::string database, EntrySink& sink, Progress& progress,
               PartNames::Name name = oplog_entry);
    // False when the entry is of another scope.
    Result<bool> add(Bytes entry);
    Status finish() { return collector_.finish(); }
    [[nodiscard]] std::uint64_t entries() const { return collector_.documents(); }
    [[nodiscard]] std::uint64_t bytes() const { return collector_.bytes(); }

  private:
    OplogFilter filter_;
    PartNames names_;
    PartCollector collector_;
};

}  // namespace asb
