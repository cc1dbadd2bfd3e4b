#include "engine/mongodb/oplog_search.hpp"

#include <algorithm>

#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/oplog_mark.hpp"

namespace asb {
namespace {

class OplogSearch final : public LogSearch {
  public:
    explicit OplogSearch(LogTarget target)
        : target_(std::move(target)),
          framer_("the oplog", [this](Bytes entry) { return take(entry); }) {}

    Status feed(const LogPoint& start, Bytes bytes) override;
    [[nodiscard]] bool done() const override { return first_out_.has_value(); }
    [[nodiscard]] Found found() const override;

  private:
    Status take(Bytes entry);
    void judge(const CommitMark& mark);
    [[nodiscard]] bool is_out(const CommitMark& mark) const;
    [[nodiscard]] LogStop stop_at(const std::optional<CommitMark>& first_out) const;

    LogTarget target_;
    mongodb::BsonFramer framer_;
    LogPoint newest_at_;               // the last entry
    LogPoint reached_;                 // the last entry, or where the first piece begins
    std::optional<EntryMark> newest_;  // of open_
    std::optional<CommitMark> open_;   // what further entries may belong to
    std::optional<CommitMark> last_in_;
    std::optional<CommitMark> first_out_;
};

Status OplogSearch::feed(const LogPoint& start, Bytes bytes) {
    reached_ = std::max(reached_, start);
    return done() ? Status() : framer_.feed(bytes);
}

Status OplogSearch::take(Bytes entry) {
    if (done()) return {};
    ASB_TRY(EntryMark mark, read_mark(entry));
    const LogPoint point{0, point_of(mark.optime)};
    // Where two pieces overlap, the second one goes back: an entry counts once.
    if (point < newest_at_) return {};
    newest_at_ = point;
    if (open_ && newest_ && !mark.belongs_to(*newest_)) {
        judge(*open_);
        open_.reset();
        if (done()) return {};
    }
    reached_ = std::max(reached_, point);
    if (mark.kind != EntryMark::Kind::commit) return {};
    if (!open_) open_ = CommitMark{point, point, mark.wall};
    open_->end = point;
    open_->at = std::max(open_->at, mark.wall);
    newest_ = std::move(mark);
    return {};
}

bool OplogSearch::is_out(const CommitMark& mark) const {
    switch (target_.kind) {
        case LogTarget::Kind::time:
            return mark.at > target_.time;
        case LogTarget::Kind::position:
            return mark.end.at > target_.position.at;
        case LogTarget::Kind::limit:
            return mark.end.at >= target_.position.at;
        case LogTarget::Kind::latest:
        case LogTarget::Kind::name:
            break;
    }
    return false;
}

void OplogSearch::judge(const CommitMark& mark) {
    if (is_out(mark))
        first_out_ = mark;
    else
        last_in_ = mark;
}

LogStop OplogSearch::stop_at(const std::optional<CommitMark>& first_out) const {
    if (first_out) return {.point = first_out->begin, .inclusive = false};
    return {.point = reached_, .inclusive = true};
}

// What is open when nothing more comes has ended. Of nothing at all there is no stop.
LogSearch::Found OplogSearch::found() const {
    Found found{.last_in = last_in_, .first_out = first_out_, .stop = {}, .names = 0};
    if (open_ && !first_out_) (is_out(*open_) ? found.first_out : found.last_in) = open_;
    if (reached_.at != 0) found.stop = stop_at(found.first_out);
    return found;
}

}  // namespace

Result<std::unique_ptr<LogSearch>> search_oplog(const LogTarget& target) {
    if (target.kind == LogTarget::Kind::name)
        return with_hint(fail(Code::usage, "MongoDB has no named restore points"),
                         "say --target-time, --target-position or --oplog-limit");
    return std::unique_ptr<LogSearch>(std::make_unique<OplogSearch>(target));
}

}  // namespace asb
