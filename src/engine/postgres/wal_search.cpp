#include "engine/postgres/wal_search.hpp"

namespace asb {

void WalSearch::on_record(const WalRecord& record) {
    if (const auto* position = std::get_if<Lsn>(&target_)) take_place(record, *position);
    if (record.is_commit()) take_commit(record);
    if (record.kind == WalRecord::Kind::restore_point) take_restore_point(record);
}

void WalSearch::take_place(const WalRecord& record, Lsn position) {
    if (!found_.first_record_out && record.end > position) found_.first_record_out = record.start;
    if (!found_.next_record && record.start >= position) found_.next_record = record.start;
}

bool WalSearch::is_in(const WalRecord& commit) const {
    if (const auto* time = std::get_if<CommitTime>(&target_)) return commit.time <= *time;
    if (const auto* position = std::get_if<Lsn>(&target_)) return commit.end <= *position;
    return found_.restore_points.empty();
}

void WalSearch::take_commit(const WalRecord& record) {
    if (found_.first_out) return;
    const WalCommit commit{record.start, record.end, record.time};
    (is_in(record) ? found_.last_in : found_.first_out) = commit;
}

void WalSearch::take_restore_point(const WalRecord& record) {
    const auto* name = std::get_if<std::string>(&target_);
    if (name == nullptr || record.name != *name) return;
    if (found_.restore_points.size() == kRestorePointsMax) return;
    found_.restore_points.push_back(
        {std::string(record.name), record.time, record.start, record.end});
}

bool WalSearch::done() const {
    if (std::holds_alternative<std::string>(target_)) return false;
    return found_.first_out && (std::holds_alternative<CommitTime>(target_) || found_.next_record);
}

}  // namespace asb
