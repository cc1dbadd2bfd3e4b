#include "engine/mongodb/replay_slice.hpp"

#include <fmt/format.h>

namespace asb::mongodb {

// The entry at the start was applied with what came before. A full backup's own slice begins at or
// before the end of what precedes it; several entries may be at one position.
Result<bool> ReplaySlice::takes(MongoEntry::Kind kind, Position position) {
    if (position <= range_.start) return false;
    if (position > range_.end)
        return fail(Code::damaged, "the oplog {} holds an entry at {}", range_text(range_),
                    position_text(position));
    if (kind != MongoEntry::Kind::oplog_before) return position > before_;
    before_ = position;
    return true;
}

std::string range_text(const LogRange& range) {
    return fmt::format("from {} to {}", position_text(range.start), position_text(range.end));
}

}  // namespace asb::mongodb
