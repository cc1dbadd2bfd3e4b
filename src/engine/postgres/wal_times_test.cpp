#include "engine/postgres/wal_times.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "engine/postgres/wal_test_pages.hpp"

namespace asb::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

WalTimes collect(const WalPages& pages) {
    WalTimesCollector collector(kTestSegment);
    WalReader reader({.segment_bytes = kTestSegment, .start = pages.begin()}, collector);
    EXPECT_TRUE(reader.feed(as_bytes(pages.bytes())).ok());
    return collector.times();
}

// Two segments with commits and one without between them.
WalPages three_segments() {
    WalPages pages(kBegin);
    pages.add_filler(100);
    pages.add_commit(at_second(5));
    pages.add_commit(at_second(3, 1));
    pages.add_abort(at_second(99));
    pages.add_commit(at_second(7, 999'999));
    pages.add_restore_point("before", at_second(8));
    pages.add_switch();
    pages.add_switch();
    pages.add_commit(at_second(6));
    pages.add_restore_point("a\nb \xff", at_second(9));
    return pages;
}

TEST(WalTimes, ARowASegmentTellsOfItsCommits) {
    const WalTimes times = collect(three_segments());
    const WalSegmentTimes first{Lsn{0x200000}, Lsn{0x200090}, 3, at_second(3, 1),
                                at_second(7, 999'999)};
    const WalSegmentTimes second{Lsn{0x400000}, Lsn{0x400028}, 1, at_second(6), at_second(6)};
    EXPECT_THAT(times.rows, ElementsAre(first, second));
    EXPECT_EQ(times.totals().commits, 4U);
    EXPECT_EQ(times.totals().newest_commit, at_second(7, 999'999));
}

TEST(WalTimes, ACommitBelongsToTheSegmentInWhichItBegins) {
    WalPages pages(kBegin);
    pages.fill_to(Lsn{kBegin.value + kTestSegment - 16});
    pages.add_commit(at_second(1));
    EXPECT_EQ(collect(pages).rows.at(0).segment, kBegin);
}

TEST(WalTimes, TheLastRestorePointsAreKept) {
    WalPages pages(kBegin);
    for (std::size_t i = 0; i < kRestorePointsMax + 3; ++i)
        pages.add_restore_point(std::to_string(i), at_second(static_cast<std::int64_t>(i)));
    const WalTimes times = collect(pages);
    ASSERT_EQ(times.restore_points.size(), kRestorePointsMax);
    EXPECT_EQ(times.restore_points_dropped, 3U);
    EXPECT_EQ(times.restore_points.front().name, "3");
    EXPECT_EQ(times.restore_points.front().time, at_second(3));
    EXPECT_EQ(times.restore_points.back().name, "1002");
}

TEST(WalTimes, TheirTextIsReadBackExactly) {
    const WalTimes times = collect(three_segments());
    EXPECT_EQ(to_text(times),
              "wal-times 1 segment_bytes=1048576 restore_points_dropped=0\n"
              "segment 0000000000200000 first=0000000000200090 commits=3 "
              "earliest=1705276803000001 latest=1705276807999999\n"
              "segment 0000000000400000 first=0000000000400028 commits=1 "
              "earliest=1705276806000000 latest=1705276806000000\n"
              "restore_point 0000000000200130 end=0000000000200198 time=1705276808000000 "
              "name=6265666f7265\n"
              "restore_point 0000000000400050 end=00000000004000B8 time=1705276809000000 "
              "name=610a6220ff\n");
    const auto parsed = parse_wal_times(to_text(times));
    ASSERT_TRUE(parsed.ok()) << parsed.error().fact;
    EXPECT_EQ(parsed.value(), times);
}

TEST(WalTimes, ExtremesAreReadBackToo) {
    using Limits = std::numeric_limits<std::int64_t>;
    const CommitTime first{std::chrono::microseconds(Limits::min())};
    const CommitTime last{std::chrono::microseconds(Limits::max())};
    WalTimes times;
    times.segment_bytes = kGiB;
    times.rows.push_back({Lsn{3ULL << 62}, Lsn{(3ULL << 62) + 40}, ~0ULL, first, last});
    times.restore_points.push_back({"", first, Lsn{0}, Lsn{8}});
    times.restore_points.push_back(
        {std::string(kRestorePointNameBytes, 'n'), last, Lsn{8}, Lsn{~0ULL}});
    times.restore_points_dropped = ~0ULL;
    const auto parsed = parse_wal_times(to_text(times));
    ASSERT_TRUE(parsed.ok()) << parsed.error().fact;
    EXPECT_EQ(parsed.value(), times);
    EXPECT_EQ(parse_wal_times(to_text(WalTimes{.segment_bytes = kMiB}))->totals().commits, 0U);
}

std::string parse_error(const std::string& text) {
    const auto parsed = parse_wal_times(text);
    if (parsed.ok()) return "";
    EXPECT_EQ(parsed.error().code, Code::damaged);
    return parsed.error().fact;
}

TEST(WalTimes, AnythingElseIsDamage) {
    const std::string title = "wal-times 1 segment_bytes=1048576 restore_points_dropped=0\n";
    const std::string row =
        "segment 0000000000200000 first=0000000000200090 commits=3 earliest=1 latest=2\n";
    const std::string point =
        "restore_point 0000000000200130 end=0000000000200198 time=-1 name=6265\n";
    ASSERT_EQ(parse_error(title + row + point), "");
    const auto changed = [&](std::string_view from, std::string_view to) {
        std::string text = title + row + point;
        text.replace(text.find(from), from.size(), to);
        return parse_error(text);
    };
    EXPECT_THAT(parse_error(""), HasSubstr("line 1 of the WAL's times is malformed"));
    EXPECT_THAT(parse_error(title + row.substr(0, row.size() - 1)), HasSubstr("line 2"));
    EXPECT_THAT(parse_error(title + "\n"), HasSubstr("line 2"));
    EXPECT_THAT(parse_error(title + row + row), HasSubstr("line 3"));
    EXPECT_THAT(parse_error(title + point + row), HasSubstr("line 3"));
    EXPECT_THAT(parse_error(title + point + point), HasSubstr("line 3"));
    EXPECT_THAT(changed("times 1", "times 2"), HasSubstr("line 1"));
    EXPECT_THAT(changed("=1048576", "=1048577"), HasSubstr("line 1"));
    EXPECT_THAT(changed("200090", "300090"), HasSubstr("line 2"));
    EXPECT_THAT(changed("200090", "20009a"), HasSubstr("line 2"));
    EXPECT_THAT(changed("commits=3", "commits=0"), HasSubstr("line 2"));
    EXPECT_THAT(changed("commits=3", "commits=+3"), HasSubstr("line 2"));
    EXPECT_THAT(changed("earliest=1", "earliest=3"), HasSubstr("line 2"));
    EXPECT_THAT(changed("earliest=1", "earliest=01"), HasSubstr("line 2"));
    EXPECT_THAT(changed("latest=2", "latest=9223372036854775808"), HasSubstr("line 2"));
    EXPECT_THAT(changed("latest=2", "latest=2 "), HasSubstr("line 2"));
    EXPECT_THAT(changed("time=-1", "time=-0"), HasSubstr("line 3"));
    EXPECT_THAT(changed("name=6265", "name=626"), HasSubstr("line 3"));
    EXPECT_THAT(changed("name=6265", "name=6A"), HasSubstr("line 3"));
    EXPECT_THAT(changed("name=6265", "name=00"), HasSubstr("line 3"));
    EXPECT_THAT(changed("name=6265", "name=" + std::string(130, '6')), HasSubstr("line 3"));
    EXPECT_THAT(changed("end=0000000000200198", "end=0000000000200130"), HasSubstr("line 3"));
}

TEST(WalTimes, MoreRestorePointsThanAreKeptAreDamage) {
    WalTimes times{.segment_bytes = kMiB};
    for (std::uint64_t i = 0; i <= kRestorePointsMax; ++i)
        times.restore_points.push_back({"p", at_second(0), Lsn{8 * i}, Lsn{8 * i + 8}});
    EXPECT_THAT(parse_error(to_text(times)), HasSubstr("line 1002"));
}

}  // namespace
}  // namespace asb::test
