#include "engine/postgres/wal_log_search.hpp"

#include <algorithm>

#include "engine/postgres/rehoming_sink.hpp"
#include "engine/postgres/restore_facts.hpp"
#include "engine/postgres/wal_search.hpp"

namespace asb {
namespace {

WalTarget wal_target(const LogTarget& target) {
    switch (target.kind) {
        case LogTarget::Kind::position:
        case LogTarget::Kind::limit:
            return Lsn{target.position.at};
        case LogTarget::Kind::name:
            return target.name;
        case LogTarget::Kind::time:
            return target.time;
        case LogTarget::Kind::latest:
            break;
    }
    return CommitTime::max();
}

class WalLogSearch final : public LogSearch {
  public:
    WalLogSearch(const LogTarget& target, std::uint64_t segment_bytes)
        : search_(wal_target(target)), segment_bytes_(segment_bytes) {}

    Status feed(const LogPoint& start, Bytes bytes) override {
        if (!reader_ || start.line != line_) begin(start);
        if (reader_->position().value != start.at)
            return fail(Code::damaged, "the stored WAL goes on at {} where {} was next",
                        to_text(Lsn{start.at}), to_text(reader_->position()));
        return reader_->feed(bytes);
    }
    [[nodiscard]] bool done() const override { return search_.done(); }
    [[nodiscard]] Found found() const override;

  private:
    // Where a segment begins, a record may go on from the one before.
    void begin(const LogPoint& start) {
        if (reader_ && reader_->last_record())
            last_of_lines_ = {line_, reader_->last_record()->value};
        line_ = start.line;
        const auto kind = start.at % segment_bytes_ == 0 ? WalReader::Start::anywhere
                                                         : WalReader::Start::at_record;
        reader_ = std::make_unique<WalReader>(
            WalReader::Options{
                .segment_bytes = segment_bytes_, .start = Lsn{start.at}, .kind = kind},
            search_);
    }
    [[nodiscard]] CommitMark mark(const WalCommit& commit) const {
        return {{line_, commit.start.value}, {line_, commit.end.value}, commit.time};
    }
    [[nodiscard]] std::optional<LogStop> last_record() const {
        if (reader_ && reader_->last_record())
            return LogStop{{line_, reader_->last_record()->value}, true};
        if (last_of_lines_) return LogStop{*last_of_lines_, true};
        return std::nullopt;
    }

    WalSearch search_;
    std::uint64_t segment_bytes_;
    std::unique_ptr<WalReader> reader_;
    std::uint32_t line_ = 0;
    std::optional<LogPoint> last_of_lines_;  // of the lines before this one
};

LogSearch::Found WalLogSearch::found() const {
    const auto& inner = search_.found();
    Found found;
    if (inner.last_in) found.last_in = mark(*inner.last_in);
    if (inner.first_out) found.first_out = mark(*inner.first_out);
    found.names = inner.restore_points.size();
    if (found.names != 0)
        found.stop = LogStop{{line_, inner.restore_points.back().start.value}, true};
    else if (inner.first_record_out)
        found.stop = LogStop{{line_, inner.first_record_out->value}, false};
    else if (inner.first_out)
        found.stop = LogStop{found.first_out->begin, false};
    else
        found.stop = last_record();
    return found;
}

// The first segment that may hold what is left out.
std::size_t first_beyond(const WalTimes& times, const LogTarget& target) {
    const auto beyond = [&](const WalSegmentTimes& row) {
        switch (target.kind) {
            case LogTarget::Kind::time:
                return row.latest > target.time;
            case LogTarget::Kind::position:
            case LogTarget::Kind::limit:
                return row.segment.value + times.segment_bytes > target.position.at;
            case LogTarget::Kind::latest:
            case LogTarget::Kind::name:
                break;
        }
        return false;
    };
    const auto found = std::ranges::find_if(times.rows, beyond);
    return static_cast<std::size_t>(found - times.rows.begin());
}

}  // namespace

std::string wal_times_entry(std::uint32_t timeline) {
    return fmt::format("{}/times.{}", kWalRangesFolder, line_text(timeline));
}

Result<LogPoint> wal_search_start(std::string_view text, const LogTarget& target,
                                  const LogPoint& from) {
    ASB_TRY(const auto times, parse_wal_times(text));
    // A name may be anywhere; only the last ones are listed.
    if (target.kind == LogTarget::Kind::name) return from;
    const auto beyond = first_beyond(times, target);
    if (beyond == 0) return from;
    return LogPoint{from.line, std::max(from.at, times.rows[beyond - 1].segment.value)};
}

Result<std::unique_ptr<LogSearch>> search_wal(const LogTarget& target, const Json& facts) {
    ASB_TRY(const auto segment_bytes, postgres::wal_segment_bytes(facts));
    return std::unique_ptr<LogSearch>(std::make_unique<WalLogSearch>(target, segment_bytes));
}

}  // namespace asb
