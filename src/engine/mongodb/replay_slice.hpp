#pragma once
// Why this exists: stretches of the oplog that follow each other repeat what lies at their seams,
// and an entry that was applied must not be applied again: a transaction would begin twice.

#include <string>

#include "base/result.hpp"
#include "engine/log.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/oplog_entry.hpp"

namespace asb::mongodb {

// One stretch that a restore goes on with, as the archive of an incremental or a full backup or a
// streamed object holds it: says which of its entries, in their order, are new.
class ReplaySlice {
  public:
    explicit ReplaySlice(const LogRange& range) : range_(range) {}

    // Whether an entry at `position`, of an archive's entry of this kind, is to be applied.
    // `damaged` for one that lies beyond the range.
    Result<bool> takes(MongoEntry::Kind kind, Position position);

  private:
    LogRange range_;
    Position before_ = 0;  // the last entry of what precedes a full backup's own slice
};

// "from 1795379725:3 to 1795379730:1"
std::string range_text(const LogRange& range);

}  // namespace asb::mongodb
