#include "engine/postgres/wal_search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/postgres/wal_test_pages.hpp"

namespace asb::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a search finds in all of `pages`, and whether it is done.
struct Search {
    WalFound found;
    bool done = false;
};

Search search(const WalPages& pages, const WalTarget& target) {
    WalSearch searching(target);
    WalReader reader({.segment_bytes = kTestSegment, .start = pages.begin()}, searching);
    EXPECT_TRUE(reader.feed(as_bytes(pages.bytes())).ok());
    return {searching.found(), searching.done()};
}

// Commits at 1, 2, 2, 5, 4 (the clock was set back) and 6 s; an abort at 3 s.
class WalSearchTest : public ::testing::Test {
  protected:
    WalSearchTest() {
        pages.add_filler(100);
        for (const int second : {1, 2, 2}) add(second);
        pages.add_abort(at_second(3));
        pages.add_restore_point("here", at_second(3));
        for (const int second : {5, 4}) add(second);
        pages.add_switch();
        pages.add_restore_point("here", at_second(6));
        add(6);
    }
    void add(int second) {
        const WalPlace place = pages.add_commit(at_second(second));
        commits.push_back({place.start, place.end, at_second(second)});
    }
    WalPages pages{kBegin};
    std::vector<WalCommit> commits;
};

TEST_F(WalSearchTest, ATimeEndsBeforeTheFirstCommitThatIsLater) {
    const auto expect = [&](CommitTime target, std::optional<std::size_t> in,
                            std::optional<std::size_t> out) {
        const Search result = search(pages, target);
        EXPECT_EQ(result.found.last_in,
                  in ? std::optional(commits[*in]) : std::optional<WalCommit>());
        EXPECT_EQ(result.found.first_out,
                  out ? std::optional(commits[*out]) : std::optional<WalCommit>());
        EXPECT_EQ(result.done, out.has_value());
    };
    expect(at_second(0), std::nullopt, 0);
    expect(at_second(1), 0, 1);
    expect(at_second(1, 999'999), 0, 1);
    expect(at_second(2), 2, 3);
    expect(at_second(3), 2, 3);
    expect(at_second(4), 2, 3);  // the commit at 4 s stands behind the one at 5 s
    expect(at_second(5), 4, 5);
    expect(at_second(6), 5, std::nullopt);
}

TEST_F(WalSearchTest, APositionCountsCommitsByTheirEnd) {
    const Search at_end = search(pages, commits[1].end);
    EXPECT_EQ(at_end.found.last_in, commits[1]);
    EXPECT_EQ(at_end.found.first_out, commits[2]);
    EXPECT_EQ(at_end.found.next_record, commits[2].start);
    EXPECT_EQ(at_end.found.first_record_out, commits[2].start);
    EXPECT_TRUE(at_end.done);
    const Search within = search(pages, Lsn{commits[1].end.value - 1});
    EXPECT_EQ(within.found.last_in, commits[0]);
    EXPECT_EQ(within.found.first_out, commits[1]);
    EXPECT_EQ(within.found.next_record, commits[2].start);
    EXPECT_EQ(within.found.first_record_out, commits[1].start);
}

TEST_F(WalSearchTest, APositionPastTheEndIsNotFound) {
    const Search past = search(pages, pages.position());
    EXPECT_EQ(past.found.last_in, commits[5]);
    EXPECT_EQ(past.found.first_out, std::nullopt);
    EXPECT_EQ(past.found.next_record, std::nullopt);
    EXPECT_EQ(past.found.first_record_out, std::nullopt);
    EXPECT_FALSE(past.done);
    const Search last = search(pages, commits[5].start);
    EXPECT_EQ(last.found.next_record, commits[5].start);
}

TEST_F(WalSearchTest, APositionWaitsForTheNextCommit) {
    WalPages only(kBegin);
    only.add_filler(100);
    only.add_filler(100);
    const Search result = search(only, kBegin);
    EXPECT_EQ(result.found.next_record, Lsn{kBegin.value + 40});
    EXPECT_FALSE(result.done);
}

TEST_F(WalSearchTest, ANameIsFoundWhereverItIs) {
    const Search result = search(pages, "here");
    ASSERT_EQ(result.found.restore_points.size(), 2U);
    EXPECT_EQ(result.found.restore_points[0].time, at_second(3));
    EXPECT_EQ(result.found.restore_points[1].time, at_second(6));
    EXPECT_EQ(result.found.restore_points[1].end, commits[5].start);
    EXPECT_EQ(result.found.last_in, commits[2]);
    EXPECT_EQ(result.found.first_out, commits[3]);
    EXPECT_FALSE(result.done);
    const Search missing = search(pages, "her");
    EXPECT_THAT(missing.found.restore_points, IsEmpty());
    EXPECT_EQ(missing.found.first_out, std::nullopt);
}

TEST_F(WalSearchTest, OfANameTheFirstOnesAreKept) {
    WalPages many(kBegin);
    for (std::size_t i = 0; i <= kRestorePointsMax; ++i)
        many.add_restore_point("again", at_second(static_cast<std::int64_t>(i)));
    const Search result = search(many, "again");
    ASSERT_EQ(result.found.restore_points.size(), kRestorePointsMax);
    EXPECT_EQ(result.found.restore_points.front().time, at_second(0));
}

TEST_F(WalSearchTest, SaysWhenItIsDone) {
    WalSearch searching(at_second(2));
    WalReader reader({.segment_bytes = kTestSegment, .start = kBegin}, searching);
    const std::string_view bytes = pages.bytes();
    constexpr std::size_t kCommitBytes = 24 + 2 + 8;  // without padding
    const std::size_t before = commits[3].start.value - kBegin.value + kCommitBytes - 1;
    ASSERT_TRUE(reader.feed(as_bytes(bytes.substr(0, before))).ok());
    EXPECT_FALSE(searching.done());
    ASSERT_TRUE(reader.feed(as_bytes(bytes.substr(before, 1))).ok());
    EXPECT_TRUE(searching.done());
}

}  // namespace
}  // namespace asb::test
