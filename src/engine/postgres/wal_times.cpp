#include "engine/postgres/wal_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/text.hpp"

namespace asb {
namespace {

constexpr std::string_view kTitle = "wal-times 1";

std::int64_t number_of(CommitTime time) {
    return time.time_since_epoch().count();
}

// Takes a line apart from its beginning; `good` stays false once something was not as expected.
class LineReader {
  public:
    explicit LineReader(std::string_view line) : rest_(line) {}

    void expect(std::string_view text) {
        good_ = good_ && rest_.starts_with(text);
        if (good_) rest_.remove_prefix(text.size());
    }
    Lsn lsn() {
        const auto at = parse_point(word());
        good_ = good_ && at.has_value();
        return Lsn{at.value_or(0)};
    }
    std::uint64_t count() {
        const auto value = parse_u64(word());
        good_ = good_ && value.has_value();
        return value.value_or(0);
    }
    CommitTime time() {
        const std::string_view text = word();
        std::int64_t value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value);
        good_ = good_ && fmt::format("{}", value) == text;
        return CommitTime(std::chrono::microseconds(value));
    }
    std::string name() {
        const std::string_view text = word();
        const auto bytes = parse_hex(text);
        good_ = good_ && bytes.ok() && to_hex(bytes.value()) == text;
        return good_ ? std::string(as_text(bytes.value())) : std::string();
    }
    // All of the line was taken.
    [[nodiscard]] bool good() const { return good_ && rest_.empty(); }

  private:
    // Up to the next space, which stays.
    std::string_view word() {
        const std::string_view taken = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
    bool good_ = true;
};

std::string title_text(const WalTimes& times) {
    return fmt::format("{} segment_bytes={} restore_points_dropped={}\n", kTitle,
                       times.segment_bytes, times.restore_points_dropped);
}

std::string row_text(const WalSegmentTimes& row) {
    return fmt::format("segment {} first={} commits={} earliest={} latest={}\n",
                       point_text(row.segment.value), point_text(row.first_commit.value),
                       row.commits, number_of(row.earliest), number_of(row.latest));
}

std::string row_text(const WalRestorePoint& point) {
    return fmt::format("restore_point {} end={} time={} name={}\n", point_text(point.start.value),
                       point_text(point.end.value), number_of(point.time),
                       to_hex(as_bytes(point.name)));
}

bool parse_title(std::string_view line, WalTimes& times) {
    LineReader reader(line);
    reader.expect(kTitle);
    reader.expect(" segment_bytes=");
    times.segment_bytes = reader.count();
    reader.expect(" restore_points_dropped=");
    times.restore_points_dropped = reader.count();
    return reader.good() && std::has_single_bit(times.segment_bytes);
}

bool parse_segment(std::string_view line, WalTimes& times) {
    LineReader reader(line);
    WalSegmentTimes row;
    reader.expect("segment ");
    row.segment = reader.lsn();
    reader.expect(" first=");
    row.first_commit = reader.lsn();
    reader.expect(" commits=");
    row.commits = reader.count();
    reader.expect(" earliest=");
    row.earliest = reader.time();
    reader.expect(" latest=");
    row.latest = reader.time();
    const bool makes_sense = row.commits > 0 && row.earliest <= row.latest &&
                             times.restore_points.empty() &&
                             segment_start(row.first_commit, times.segment_bytes) == row.segment &&
                             (times.rows.empty() || times.rows.back().segment < row.segment);
    times.rows.push_back(row);
    return reader.good() && makes_sense;
}

bool parse_restore_point(std::string_view line, WalTimes& times) {
    LineReader reader(line);
    WalRestorePoint point;
    reader.expect("restore_point ");
    point.start = reader.lsn();
    reader.expect(" end=");
    point.end = reader.lsn();
    reader.expect(" time=");
    point.time = reader.time();
    reader.expect(" name=");
    point.name = reader.name();
    const bool makes_sense =
        point.start < point.end && point.name.size() <= kRestorePointNameBytes &&
        point.name.find('\0') == std::string::npos &&
        times.restore_points.size() < kRestorePointsMax &&
        (times.restore_points.empty() || times.restore_points.back().end <= point.start);
    times.restore_points.push_back(std::move(point));
    return reader.good() && makes_sense;
}

bool parse_row(std::string_view line, WalTimes& times) {
    return line.starts_with("segment ") ? parse_segment(line, times)
                                        : parse_restore_point(line, times);
}

}  // namespace

LogTimes WalTimes::totals() const {
    LogTimes totals;
    for (const WalSegmentTimes& row : rows) {
        totals.newest_commit =
            totals.commits == 0 ? row.latest : std::max(totals.newest_commit, row.latest);
        totals.commits += row.commits;
    }
    return totals;
}

void WalTimesCollector::on_record(const WalRecord& record) {
    if (record.is_commit()) take_commit(record);
    if (record.kind == WalRecord::Kind::restore_point) take_restore_point(record);
    if (record.kind == WalRecord::Kind::minimal_level) minimal_until_ = record.end;
}

void WalTimesCollector::take_commit(const WalRecord& record) {
    const Lsn segment = segment_start(record.start, times_.segment_bytes);
    if (times_.rows.empty() || times_.rows.back().segment != segment)
        times_.rows.push_back({segment, record.start, 0, record.time, record.time});
    WalSegmentTimes& row = times_.rows.back();
    ++row.commits;
    row.earliest = std::min(row.earliest, record.time);
    row.latest = std::max(row.latest, record.time);
}

void WalTimesCollector::take_restore_point(const WalRecord& record) {
    if (times_.restore_points.size() == kRestorePointsMax) {
        times_.restore_points.pop_front();
        ++times_.restore_points_dropped;
    }
    times_.restore_points.push_back(
        {std::string(record.name), record.time, record.start, record.end});
}

std::string to_text(const WalTimes& times) {
    std::string text = title_text(times);
    for (const WalSegmentTimes& row : times.rows) text += row_text(row);
    for (const WalRestorePoint& point : times.restore_points) text += row_text(point);
    return text;
}

Result<WalTimes> parse_wal_times(std::string_view text) {
    WalTimes times;
    for (std::uint64_t number = 1; number == 1 || !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        const bool good = end != std::string_view::npos &&
                          (number == 1 ? parse_title(line, times) : parse_row(line, times));
        if (!good) return fail(Code::damaged, "line {} of the WAL's times is malformed", number);
        text.remove_prefix(end + 1);
    }
    return times;
}

}  // namespace asb
