// A restore that goes on after its full backup (restore_session.hpp): stretches of the oplog, each
// where the one before it ends.

#include "base/text.hpp"
#include "engine/mongodb/restore_session.hpp"

namespace asb::mongodb {
Status MongoRestoreSession::begin_slice(const LogRange& range) {
    ASB_CHECK(context_.stop.check());
    if (options_.has_oplog && !oplog_begun_)
        return with_hint(fail(Code::damaged, "the archive lacks its oplog"),
                         "restore another backup");
    if (range.line != 0 || range.end < range.start)
        return fail(Code::damaged, "there is no oplog {}", range_text(range));
    if (range.start != reached_)
        return with_hint(fail(Code::damaged,
                              "the oplog {} does not go on where the one before it "
                              "ends, at {}",
                              range_text(range), position_text(reached_)),
                         "restore to a point before that, or from another backup");
    slice_.emplace(range);
    reached_ = range.end;
    return replay_.leave_copy();
}

Status MongoRestoreSession::take_entry(Bytes entry) {
    if (!slice_) return replay_.take(entry);
    const auto ts = BsonView(entry).find("ts");
    const Position position = ts ? ts->as_timestamp().value_or(0) : 0;
    ASB_TRY(const bool is_new, slice_->takes(entry_.kind, position));
    return is_new ? replay_.take(entry) : Status();
}

Status MongoRestoreSession::check_reached() {
    if (!options_.stop || !options_.stop->inclusive || options_.stop->point.at <= reached_)
        return {};
    return fail(Code::damaged, "the oplog that came ends at {}, before {}", position_text(reached_),
                position_text(options_.stop->point.at));
}

// What --only names must be there in the end, if not in the full backup.
Status MongoRestoreSession::check_chosen() {
    if (!options_.scope.partial()) return {};
    std::vector<std::string> names;
    for (const auto& collection : catalog_.all()) {
        names.push_back(collection->database);
        names.push_back(collection->name_space());
    }
    const auto unmatched = options_.scope.unmatched(names);
    if (unmatched.empty()) return {};
    return with_hint(fail(Code::not_found, "--only: at that point there is no {}",
                          printable(join(unmatched, ", "))),
                     "name what was there, or restore to another point");
}

}  // namespace asb::mongodb
