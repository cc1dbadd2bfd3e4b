#include "engine/mongodb/oplog_search.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/mongodb/oplog_mark.hpp"
#include "engine/mongodb/oplog_test_support.hpp"

namespace asb {
namespace {

using mongodb::bson;

LogPoint point(std::uint32_t ordinal) {
    return {0, point_of({100, ordinal})};
}

CommitTime second(int number) {
    return CommitTime(std::chrono::seconds(number));
}

LogTarget any(LogTarget::Kind kind) {
    LogTarget target;
    target.kind = kind;
    return target;
}

LogTarget time(int number) {
    LogTarget target = any(LogTarget::Kind::time);
    target.time = second(number);
    return target;
}

LogTarget place(LogTarget::Kind kind, std::uint32_t ordinal) {
    LogTarget target = any(kind);
    target.position = point(ordinal);
    return target;
}

// An insert at 100:`ordinal`, of second `wall` by the server's clock.
std::string entry(std::uint32_t ordinal, int wall, const std::string& more = "",
                  const char* kind = "i") {
    return bson(fmt::format(
        R"({{"ts": {{"$timestamp": {{"t": 100, "i": {}}}}}, "op": "{}", "ns": "a.b",
            "o": {{"_id": {}}}, "wall": {{"$date": {{"$numberLong": "{}000"}}}}{}}})",
        ordinal, kind, ordinal, wall, more));
}

std::string in_transaction(std::uint32_t ordinal, int wall) {
    return entry(ordinal, wall,
                 R"(, "lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==",
                      "subType": "04"}}}, "txnNumber": {"$numberLong": "7"})");
}

std::string chained(std::uint32_t ordinal, int wall, const char* o, const char* more = "") {
    return bson(fmt::format(
        R"({{"ts": {{"$timestamp": {{"t": 100, "i": {}}}}}, "t": 1, "op": "c", "ns": "admin.$cmd",
            "o": {}, "lsid": {{"id": {{"$binary": {{"base64": "AAAAAAAAAAAAAAAAAAAAAA==",
            "subType": "04"}}}}}}, "txnNumber": {{"$numberLong": "7"}},
            "wall": {{"$date": {{"$numberLong": "{}000"}}}}{}}})",
        ordinal, o, wall, more));
}

LogSearch::Found search(const LogTarget& target, const std::string& entries,
                        std::size_t piece = 7) {
    const auto search = search_oplog(target).value();
    for (std::size_t from = 0; from < entries.size() && !search->done(); from += piece)
        EXPECT_TRUE(search
                        ->feed(point(1), as_bytes(entries).subspan(
                                             from, std::min(piece, entries.size() - from)))
                        .ok());
    return search->found();
}

void expect_between(const LogSearch::Found& found, std::uint32_t last_in, std::uint32_t first_out) {
    ASSERT_TRUE(found.last_in && found.first_out && found.stop);
    EXPECT_EQ(found.last_in->end, point(last_in));
    EXPECT_EQ(found.first_out->begin, point(first_out));
    EXPECT_EQ(found.stop->point, point(first_out));
    EXPECT_FALSE(found.stop->inclusive);
}

TEST(OplogSearch, ATimeIsIn) {
    const auto entries = entry(2, 10) + entry(3, 20) + entry(4, 30);
    expect_between(search(time(20), entries), 3, 4);
    expect_between(search(time(29), entries), 3, 4);
    const auto none = search(time(9), entries);
    EXPECT_FALSE(none.last_in);
    EXPECT_EQ(none.stop->point, point(2));
}

TEST(OplogSearch, AClockThatWentBackDoesNotBringBackWhatCameLater) {
    const auto entries = entry(2, 10) + entry(3, 30) + entry(4, 20);
    expect_between(search(time(20), entries), 2, 3);
}

TEST(OplogSearch, APositionIsInAndALimitIsOut) {
    const auto entries = entry(2, 10) + entry(4, 20) + entry(6, 30);
    expect_between(search(place(LogTarget::Kind::position, 4), entries), 4, 6);
    expect_between(search(place(LogTarget::Kind::position, 5), entries), 4, 6);
    expect_between(search(place(LogTarget::Kind::limit, 4), entries), 2, 4);
    expect_between(search(place(LogTarget::Kind::limit, 5), entries), 4, 6);
}

TEST(OplogSearch, TheLatestIsTheLastEntry) {
    const auto entries = entry(2, 10) + entry(3, 20) + entry(4, 30, "", "n");
    const auto found = search(any(LogTarget::Kind::latest), entries);
    EXPECT_EQ(found.last_in->end, point(3));
    EXPECT_EQ(found.last_in->at, second(20));
    EXPECT_FALSE(found.first_out);
    EXPECT_EQ(found.stop->point, point(4));
    EXPECT_TRUE(found.stop->inclusive);
}

TEST(OplogSearch, NotesMoveTheEndAndAreNoTransactions) {
    const auto entries = entry(2, 10) + entry(3, 30, "", "n") + entry(4, 20);
    const auto found = search(time(20), entries);
    EXPECT_EQ(found.last_in->end, point(4));
    EXPECT_FALSE(found.first_out);
}

TEST(OplogSearch, ATransactionOfSingleEntriesIsWholeOrOut) {
    const auto entries = entry(2, 10) + in_transaction(3, 11) + in_transaction(4, 12) +
                         in_transaction(5, 13) + entry(6, 20);
    expect_between(search(place(LogTarget::Kind::position, 4), entries), 2, 3);
    expect_between(search(place(LogTarget::Kind::position, 5), entries), 5, 6);
    expect_between(search(place(LogTarget::Kind::limit, 5), entries), 2, 3);
    expect_between(search(time(12), entries), 2, 3);
    const auto found = search(time(13), entries);
    EXPECT_EQ(found.last_in->begin, point(3));
    EXPECT_EQ(found.last_in->at, second(13));
}

TEST(OplogSearch, ATransactionCountsByItsCommit) {
    const auto entries = entry(2, 10) + chained(3, 20, R"({"applyOps": [], "prepare": true})") +
                         entry(4, 15) + chained(5, 30, R"({"commitTransaction": 1})");
    expect_between(search(time(15), entries), 4, 5);
}

// A full backup's own slice begins with what precedes it.
TEST(OplogSearch, WhatComesTwiceCountsOnce) {
    const auto first = entry(2, 10) + entry(3, 11) + in_transaction(4, 12) + in_transaction(5, 13);
    const auto second = entry(3, 11) + in_transaction(4, 12) + in_transaction(5, 13) +
                        in_transaction(6, 14) + entry(7, 20);
    const auto none = search(time(30), first + second);
    EXPECT_FALSE(none.first_out);
    EXPECT_EQ(none.last_in->end, point(7));
    expect_between(search(time(14), first + second), 6, 7);
    const auto within = search(time(11), first + second);
    expect_between(within, 3, 4);
    EXPECT_EQ(within.first_out->end, point(6));
    EXPECT_EQ(search(place(LogTarget::Kind::position, 3), first + second).last_in->end, point(3));
}

// Of a server whose clock went back in between: nothing is looked at again.
TEST(OplogSearch, WhatComesTwiceIsNotJudgedTwice) {
    const auto before = entry(2, 10) + entry(3, 20) + entry(4, 12);
    const auto own = entry(3, 20) + entry(4, 12) + entry(5, 40);
    expect_between(search(time(20), before + own), 4, 5);
}

TEST(OplogSearch, WithoutEntriesItStopsWhereTheyWouldBegin) {
    const auto search = search_oplog(time(20)).value();
    EXPECT_FALSE(search->found().stop);
    ASSERT_TRUE(search->feed(point(9), {}).ok());
    EXPECT_EQ(search->found().stop->point, point(9));
    EXPECT_TRUE(search->found().stop->inclusive);
}

TEST(OplogSearch, IsDoneAtTheFirstOneOut) {
    const auto search = search_oplog(place(LogTarget::Kind::position, 2)).value();
    ASSERT_TRUE(search->feed(point(1), as_bytes(entry(2, 10) + entry(3, 20))).ok());
    EXPECT_FALSE(search->done());  // another entry could belong to the second
    ASSERT_TRUE(search->feed(point(1), as_bytes(entry(4, 30))).ok());
    EXPECT_TRUE(search->done());
    EXPECT_EQ(search->found().first_out->begin, point(3));
}

TEST(OplogSearch, RefusesANameAndWhatIsNoOplog) {
    EXPECT_EQ(search_oplog(any(LogTarget::Kind::name)).error().code, Code::usage);
    const auto search = search_oplog(any(LogTarget::Kind::latest)).value();
    EXPECT_EQ(search->feed(point(1), as_bytes(bson(R"({"op": "i"})"))).error().code, Code::damaged);
}

}  // namespace
}  // namespace asb
