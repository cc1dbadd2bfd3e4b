#include "engine/mongodb/oplog_ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace asb {
namespace {

CommitTime at(int second) {
    return CommitTime(std::chrono::seconds(second));
}

EntryMark mark(std::uint32_t ordinal, int wall, EntryMark::Kind kind = EntryMark::Kind::commit) {
    EntryMark made;
    made.optime = {100, ordinal};
    made.wall = at(wall);
    made.kind = kind;
    return made;
}

TEST(OplogLedger, NothingReadIsTheTailItGoesOnFrom) {
    const OplogTail before{{7, 1}, 3, digest_of_entries(as_bytes("entry"))};
    const OplogLedger ledger(before);
    EXPECT_EQ(to_json(ledger.tail()), to_json(before));
    EXPECT_EQ(ledger.last_record(), 0U);
    EXPECT_EQ(ledger.times(at(50)).commits, 0U);
    EXPECT_EQ(ledger.times(at(50)).covered_until, at(50));
}

TEST(OplogLedger, TheTailProvesAllEntriesAtTheLastPosition) {
    OplogLedger ledger;
    ledger.read(as_bytes("first"), mark(1, 10));
    ledger.read(as_bytes("second"), mark(2, 10));
    ledger.read(as_bytes("third"), mark(2, 10));
    EXPECT_EQ(ledger.tail().optime, (OpTime{100, 2}));
    EXPECT_EQ(ledger.tail().sha256, digest_of_entries(as_bytes("secondthird")));
    EXPECT_EQ(ledger.last_record(), (std::uint64_t{100} << 32U) + 2);
}

// What precedes a full backup's own slice, and then the slice.
TEST(OplogLedger, ACopyOfItGoesOn) {
    OplogLedger before(OplogTail{{7, 1}, 3, digest_of_entries(as_bytes("entry"))});
    before.read(as_bytes("first"), mark(1, 30));
    before.keep(mark(1, 30));
    OplogLedger both = before;
    both.read(as_bytes("second"), mark(2, 10));
    both.keep(mark(2, 10));
    EXPECT_EQ(both.tail().optime, (OpTime{100, 2}));
    EXPECT_EQ(both.tail().sha256, digest_of_entries(as_bytes("second")));
    EXPECT_EQ(both.times(at(50)).commits, 2U);
    EXPECT_EQ(both.times(at(50)).newest_commit, at(30));
    EXPECT_EQ(both.newest_wall(), at(30));
    EXPECT_EQ(before.times(at(50)).commits, 1U);
}

TEST(OplogLedger, CountsTransactionsOnceAndNotesNever) {
    OplogLedger ledger;
    const auto take = [&ledger](const EntryMark& entry) {
        ledger.read(as_bytes("x"), entry);
        ledger.keep(entry);
    };
    take(mark(1, 10));
    auto part = mark(2, 12);
    part.transaction = "a";
    take(part);
    part.optime = {100, 3};
    take(part);
    take(mark(4, 11));
    take(mark(4, 11));
    take(mark(5, 99, EntryMark::Kind::note));
    take(mark(6, 99, EntryMark::Kind::open));
    EXPECT_EQ(ledger.times({}).commits, 3U);
    EXPECT_EQ(ledger.times({}).newest_commit, at(12));
    EXPECT_EQ(ledger.newest_wall(), at(99));
}

TEST(OplogLedger, CoversWhatIsOlderThanItsNewestCommit) {
    OplogLedger ledger;
    ledger.read(as_bytes("x"), mark(1, 20));
    ledger.keep(mark(1, 20));
    EXPECT_EQ(ledger.times(at(10)).covered_until, at(20) - std::chrono::microseconds(1));
    EXPECT_EQ(ledger.times(at(30)).covered_until, at(30));
}

TEST(OplogLedger, KnowsSinceWhenATransactionIsOpen) {
    OplogLedger ledger;
    const auto read = [&ledger](std::uint32_t ordinal, const char* chain, EntryMark::Kind kind) {
        auto entry = mark(ordinal, 10, kind);
        entry.chain = chain;
        ledger.read(as_bytes("x"), entry);
    };
    read(1, "a", EntryMark::Kind::open);
    read(2, "b", EntryMark::Kind::open);
    read(3, "b", EntryMark::Kind::open);
    EXPECT_EQ(ledger.open_since(), (OpTime{100, 1}));
    read(4, "a", EntryMark::Kind::commit);
    EXPECT_EQ(ledger.open_since(), (OpTime{100, 2}));
    read(5, "b", EntryMark::Kind::abort);
    EXPECT_EQ(ledger.open_since(), std::nullopt);
}

TEST(OplogTail, IsReadAsItWasWrittenAndNotOtherwise) {
    const OplogTail tail{{1795379725, 3}, -1, digest_of_entries(as_bytes("entry"))};
    const auto read = parse_oplog_tail(to_json(tail));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(to_json(*read), to_json(tail));
    EXPECT_EQ(to_json(tail)["optime"], "1795379725:3");
    for (const auto* key : {"optime", "term", "sha256"}) {
        auto without = to_json(tail);
        without.erase(key);
        EXPECT_EQ(parse_oplog_tail(without).error().code, Code::damaged) << key;
    }
}

}  // namespace
}  // namespace asb
