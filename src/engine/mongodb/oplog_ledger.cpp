#include "engine/mongodb/oplog_ledger.hpp"

#include <algorithm>

#include "codec/digest.hpp"

namespace asb {

Json to_json(const OplogTail& tail) {
    return {{"optime", to_text(tail.optime)}, {"term", tail.term}, {"sha256", tail.sha256}};
}

Result<OplogTail> parse_oplog_tail(const Json& json) {
    const auto text = [&json](const char* key) {
        const auto found = json.find(key);
        return found != json.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
    };
    const auto optime = parse_optime(text("optime"));
    const auto term = json.find("term");
    if (!optime.ok() || !parse_digest(text("sha256")).ok() || term == json.end() ||
        !term->is_number_integer())
        return fail(Code::damaged, "a manifest does not say how the oplog ends in its backup");
    return OplogTail{*optime, term->get<std::int64_t>(), text("sha256")};
}

std::string digest_of_entries(Bytes entries) {
    return to_hex(sha256(entries));
}

void OplogLedger::read(Bytes entry, const EntryMark& mark) {
    if (!last_ || last_->optime != mark.optime) at_last_.clear();
    at_last_.append(as_text(entry));
    newest_wall_ = last_ ? std::max(newest_wall_, mark.wall) : mark.wall;
    last_ = mark;
    follow_chain(mark);
}

void OplogLedger::follow_chain(const EntryMark& mark) {
    if (mark.chain.empty()) return;
    if (mark.kind == EntryMark::Kind::open)
        open_.try_emplace(mark.chain, mark.optime);
    else
        open_.erase(mark.chain);
}

void OplogLedger::keep(const EntryMark& mark) {
    if (mark.kind != EntryMark::Kind::commit) return;
    if (!last_commit_ || !mark.belongs_to(*last_commit_)) ++commits_;
    newest_commit_ = last_commit_ ? std::max(newest_commit_, mark.wall) : mark.wall;
    last_commit_ = mark;
}

OplogTail OplogLedger::tail() const {
    if (!last_) return tail_;
    return {last_->optime, last_->term, digest_of_entries(as_bytes(at_last_))};
}

// A search for an instant before the newest commit ends within these entries, whatever comes later.
LogTimes OplogLedger::times(CommitTime settled) const {
    LogTimes times{.commits = commits_, .newest_commit = newest_commit_, .covered_until = settled};
    if (commits_ > 0)
        times.covered_until = std::max(settled, newest_commit_ - std::chrono::microseconds(1));
    return times;
}

std::uint64_t OplogLedger::last_record() const {
    return last_ ? point_of(last_->optime) : 0;
}

std::optional<OpTime> OplogLedger::open_since() const {
    std::optional<OpTime> oldest;
    for (const auto& [chain, since] : open_) oldest = oldest ? std::min(*oldest, since) : since;
    return oldest;
}

}  // namespace asb
