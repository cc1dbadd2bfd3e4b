#include "engine/mongodb/oplog_mark.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/mongodb/oplog_test_support.hpp"

namespace asb {
namespace {

using mongodb::bson;

EntryMark mark(const std::string& fields, int ordinal = 3) {
    const auto entry = bson(
        fmt::format(R"({{"ts": {{"$timestamp": {{"t": 100, "i": {}}}}}, {}}})", ordinal, fields));
    auto read = read_mark(as_bytes(entry));
    EXPECT_TRUE(read.ok()) << read.error().fact;
    return std::move(read).value();
}

constexpr const char* kSession =
    R"("lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}},
       "txnNumber": {"$numberLong": "7"})";

TEST(OplogMark, ReadsPositionTermAndTheServersClock) {
    const auto read = mark(R"("t": {"$numberLong": "4"}, "op": "i", "ns": "a.b", "o": {"_id": 1},
                              "wall": {"$date": {"$numberLong": "100250"}})");
    EXPECT_EQ(read.optime, (OpTime{100, 3}));
    EXPECT_EQ(read.term, 4);
    EXPECT_EQ(read.wall, CommitTime(std::chrono::milliseconds(100250)));
    EXPECT_EQ(read.kind, EntryMark::Kind::commit);
    EXPECT_TRUE(read.is_exact());
}

TEST(OplogMark, WithoutAClockItIsTheSecondOfThePosition) {
    const auto read = mark(R"("op": "n", "ns": "", "o": {"msg": "periodic noop"})");
    EXPECT_EQ(read.wall, CommitTime(std::chrono::seconds(100)));
    EXPECT_EQ(read.kind, EntryMark::Kind::note);
    EXPECT_FALSE(read.is_exact());
}

TEST(OplogMark, SingleEntriesOfOneTransactionBelongTogether) {
    const auto operation =
        fmt::format(R"("op": "i", "ns": "a.b", "o": {{"_id": 1}}, {})", kSession);
    EXPECT_TRUE(mark(operation, 4).belongs_to(mark(operation, 3)));
    EXPECT_FALSE(mark(R"("op": "i", "ns": "a.b", "o": {"_id": 1})", 4).belongs_to(mark(operation)));
    // mongod's are not: there the session says only which retry an entry is of.
    const auto exact = R"("t": 1, )" + operation;
    EXPECT_FALSE(mark(exact, 4).belongs_to(mark(exact, 3)));
    EXPECT_TRUE(mark(exact, 3).belongs_to(mark(exact, 3)));
}

TEST(OplogMark, ATransactionCountsByItsEnd) {
    const auto command = [](const char* o, const char* more = "") {
        return fmt::format(R"("t": 1, "op": "c", "ns": "admin.$cmd", {}, "o": {}{})", kSession, o,
                           more);
    };
    EXPECT_EQ(mark(command(R"({"applyOps": []})")).kind, EntryMark::Kind::commit);
    EXPECT_EQ(mark(command(R"({"applyOps": []})")).chain, "");
    const auto part = mark(command(R"({"applyOps": [], "partialTxn": true})"));
    EXPECT_EQ(part.kind, EntryMark::Kind::open);
    EXPECT_EQ(mark(command(R"({"applyOps": [], "prepare": true})")).kind, EntryMark::Kind::open);
    const auto last = mark(command(
        R"({"applyOps": []})", R"(, "prevOpTime": {"ts": {"$timestamp": {"t": 100, "i": 2}}})"));
    EXPECT_EQ(last.kind, EntryMark::Kind::commit);
    EXPECT_NE(part.chain, "");
    EXPECT_EQ(last.chain, part.chain);
    EXPECT_EQ(mark(command(R"({"commitTransaction": 1})")).chain, part.chain);
    EXPECT_EQ(mark(command(R"({"abortTransaction": 1})")).kind, EntryMark::Kind::abort);
}

TEST(OplogMark, RefusesWhatIsNoEntry) {
    EXPECT_EQ(read_mark(as_bytes(bson(R"({"op": "i"})"))).error().code, Code::damaged);
    EXPECT_EQ(read_mark(as_bytes("none")).error().code, Code::damaged);
}

}  // namespace
}  // namespace asb
