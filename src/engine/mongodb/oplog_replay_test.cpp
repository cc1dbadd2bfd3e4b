#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/mongodb/oplog_replay_fixture.hpp"

namespace asb::mongodb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(OplogReplayTest, BringsDocumentsToTheEndOfTheSlice) {
    const auto* users = stage("users", "");
    put(users, R"({"_id": 1, "a": 1})");
    put(users, R"({"_id": 2, "a": 1})");
    expect_taken(
        R"("op": "u", "ns": "auth.users", "o": {"$v": 2, "diff": {"u": {"a": 2}}}, "o2": {"_id": 1})");
    expect_taken(
        R"("op": "u", "ns": "auth.users", "o": {"$v": 2, "diff": {"i": {"b": 3}}}, "o2": {"_id": 1})");
    expect_taken(R"("op": "d", "ns": "auth.users", "o": {"_id": 2})");
    expect_taken(R"("op": "i", "ns": "auth.users", "o": {"_id": 3})");
    expect_taken(R"("op": "u", "ns": "auth.users", "o": {"_id": 3, "x": 1}, "o2": {"_id": 3})");
    expect_taken(R"("op": "i", "ns": "other.users", "o": {"_id": 9})");
    expect_taken(R"("op": "n", "ns": "", "o": {"msg": "periodic noop"})");
    expect_whole();
    EXPECT_THAT(documents("users"),
                ElementsAre(R"({ "_id" : 1, "a" : 2, "b" : 3 })", R"({ "_id" : 3, "x" : 1 })"));
}

TEST_F(OplogReplayTest, AnUpdateWithoutItsDocumentNeedsALaterDelete) {
    stage("users", "");
    expect_taken(
        R"("op": "u", "ns": "auth.users", "o": {"$v": 2, "diff": {"u": {"a": 2}}}, "o2": {"_id": 7})");
    expect_taken(R"("op": "d", "ns": "auth.users", "o": {"_id": 7})");
    expect_whole();
    expect_taken(
        R"("op": "u", "ns": "auth.users", "o": {"$v": 2, "diff": {"u": {"a": 2}}}, "o2": {"_id": 8})");
    const auto torn = replay.finish();
    ASSERT_FALSE(torn.ok());
    EXPECT_EQ(torn.error().code, Code::damaged);
    EXPECT_THAT(torn.error().fact, HasSubstr("auth.users (_id of type 0x10, bytes 08000000)"));
}

// mongo/src/mongo/db/repl/README.md, "Transactions": one applyOps.
TEST_F(OplogReplayTest, AppliesATransactionOfOneEntry) {
    stage("users", "");
    expect_taken(R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1}, "txnNumber": 1,
        "prevOpTime": {"ts": {"$timestamp": {"t": 0, "i": 0}}, "t": -1},
        "o": {"applyOps": [{"op": "i", "ns": "auth.users", "o": {"_id": 1}}]})");
    expect_whole();
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 1 })"));
}

// The same, "Committing a Transaction" of more than 16 MB: a chain by prevOpTime, the last entry
// without partialTxn.
TEST_F(OplogReplayTest, AppliesAChainedTransactionAtItsLastEntryOnly) {
    stage("users", "");
    expect_taken(R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1}, "txnNumber": 1,
        "prevOpTime": {"ts": {"$timestamp": {"t": 0, "i": 0}}, "t": -1},
        "o": {"applyOps": [{"op": "i", "ns": "auth.users", "o": {"_id": 1}}], "partialTxn": true})");
    expect_taken(R"("op": "i", "ns": "auth.users", "o": {"_id": 5})");
    ASSERT_TRUE(replay.finish().ok());
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 5 })"));
    expect_taken(R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1}, "txnNumber": 1,
        "prevOpTime": {"ts": {"$timestamp": {"t": 100, "i": 1}}, "t": 1},
        "o": {"applyOps": [{"op": "i", "ns": "auth.users", "o": {"_id": 2}}], "count": 2})");
    expect_whole();
    EXPECT_EQ(documents("users").size(), 3U);
    EXPECT_EQ(replay.discarded_transactions(), 0U);
}

// The same, "Preparing a Transaction", "Committing a Prepared Transaction", "Aborting ...".
TEST_F(OplogReplayTest, AppliesAPreparedTransactionWhenItIsCommittedAndNeverWhenAborted) {
    stage("users", "");
    const auto prepare = [](int number, int id) {
        return fmt::format(R"("op": "c", "ns": "admin.$cmd", "lsid": {{"id": 1}}, "txnNumber": {},
            "prevOpTime": {{"ts": {{"$timestamp": {{"t": 0, "i": 0}}}}, "t": -1}},
            "o": {{"applyOps": [{{"op": "i", "ns": "auth.users", "o": {{"_id": {}}}}}], "prepare": true}})",
                           number, id);
    };
    const std::string end = R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1},
        "prevOpTime": {"ts": {"$timestamp": {"t": 100, "i": 1}}, "t": 1}, )";
    expect_taken(prepare(1, 1));
    expect_taken(end + R"("txnNumber": 1, "o": {"abortTransaction": 1})");
    expect_taken(prepare(2, 2));
    expect_taken(end + R"("txnNumber": 2, "o": {"commitTransaction": 1,
        "commitTimestamp": {"$timestamp": {"t": 100, "i": 3}}})");
    expect_taken(prepare(3, 3));  // its commit is beyond the slice
    expect_whole();
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 2 })"));
    EXPECT_EQ(replay.discarded_transactions(), 1U);
}

TEST_F(OplogReplayTest, RefusesACommitWhoseOperationsItLacks) {
    const auto taken = take(R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1}, "txnNumber": 1,
        "o": {"commitTransaction": 1})");
    ASSERT_FALSE(taken.ok());
    EXPECT_THAT(taken.error().fact, HasSubstr("commits a transaction at 100:1"));
}

TEST_F(OplogReplayTest, KnowsEachShapeOfIndexEntries) {
    const auto* users = stage("users", kBytesA);
    const auto command = [](const std::string& o) {
        return fmt::format(R"("op": "c", "ns": "auth.$cmd", "ui": {}, "o": {})", kUuidA, o);
    };
    expect_taken(command(R"({"createIndexes": "users", "v": 2, "key": {"a": 1}, "name": "a_1"})"));
    expect_taken(command(
        R"({"createIndexes": "users", "indexes": [{"v": 2, "key": {"b": 1}, "name": "b_1"}]})"));
    expect_taken(command(
        R"({"startIndexBuild": "users", "indexBuildUUID": 1, "indexes": [{"v": 2, "key": {"x": 1}, "name": "x_1"}]})"));
    expect_taken(command(
        R"({"abortIndexBuild": "users", "indexBuildUUID": 1, "indexes": [{"v": 2, "key": {"x": 1}, "name": "x_1"}]})"));
    expect_taken(command(
        R"({"commitIndexBuild": "users", "indexBuildUUID": 2, "indexes": [{"v": 2, "key": {"c": 1}, "name": "c_1", "unique": true}]})"));
    expect_taken(command(R"({"dropIndexes": "users", "index": "a_1"})"));
    expect_taken(command(R"({"collMod": "users", "index": {"name": "b_1", "hidden": true}})"));
    ASSERT_EQ(users->indexes.size(), 2U);
    EXPECT_EQ(json(users->indexes[0]),
              R"({ "v" : 2, "key" : { "b" : 1 }, "name" : "b_1", "hidden" : true })");
    EXPECT_EQ(json(users->indexes[1]),
              R"({ "v" : 2, "key" : { "c" : 1 }, "name" : "c_1", "unique" : true })");
}

TEST_F(OplogReplayTest, ModifiesOptions) {
    const auto* users =
        stage("users", "", R"({"validator": {"a": 1}, "validationLevel": "strict"})");
    expect_taken(
        R"("op": "c", "ns": "auth.$cmd", "o": {"collMod": "users", "validator": {"b": 1}})");
    EXPECT_THAT(memory.calls, ElementsAre(R"(modify users { "validator" : { "b" : 1 } })"));
    EXPECT_EQ(json(users->options),
              R"({ "validationLevel" : "strict", "validator" : { "b" : 1 } })");
}

TEST_F(OplogReplayTest, FollowsACollectionThroughARename) {
    const auto* old = stage("old", kBytesA);
    put(old, R"({"_id": 1})");
    const auto entry = [](const std::string& rest) {
        return fmt::format("{}, \"ui\": {}", rest, kUuidA);
    };
    expect_taken(entry(R"("op": "i", "ns": "auth.old", "o": {"_id": 2})"));
    expect_taken(entry(
        R"("op": "c", "ns": "auth.$cmd", "o": {"renameCollection": "auth.old", "to": "auth.new", "stayTemp": false})"));
    expect_taken(entry(R"("op": "i", "ns": "auth.new", "o": {"_id": 3})"));
    expect_whole();
    EXPECT_EQ(documents("new").size(), 3U);
    EXPECT_THAT(documents("old"), ElementsAre("(no collection)"));
}

// The copy was made after the rename: what the slice says of the old name is in it.
TEST_F(OplogReplayTest, KnowsARenamedCollectionByItsUuid) {
    const auto* copy = stage("new", kBytesA);
    put(copy, R"({"_id": 1, "a": 1})");
    const auto entry = [](const std::string& rest) {
        return fmt::format("{}, \"ui\": {}", rest, kUuidA);
    };
    expect_taken(entry(
        R"("op": "u", "ns": "auth.old", "o": {"$v": 2, "diff": {"u": {"a": 2}}}, "o2": {"_id": 1})"));
    expect_taken(entry(
        R"("op": "c", "ns": "auth.$cmd", "o": {"renameCollection": "auth.old", "to": "auth.new"})"));
    expect_whole();
    EXPECT_THAT(documents("new"), ElementsAre(R"({ "_id" : 1, "a" : 2 })"));
}

TEST_F(OplogReplayTest, ARenameOverAnotherDropsThatOne) {
    const auto* source = stage("tmp", kBytesA);
    put(source, R"({"_id": 1})");
    put(stage("live", kBytesB), R"({"_id": 9})");
    expect_taken(fmt::format(
        R"("op": "c", "ns": "auth.$cmd", "ui": {}, "o": {{"renameCollection": "auth.tmp", "to": "auth.live", "dropTarget": {}}})",
        kUuidA, kUuidB));
    expect_whole();
    EXPECT_THAT(documents("live"), ElementsAre(R"({ "_id" : 1 })"));
}

TEST_F(OplogReplayTest, RefusesARenameToAnotherDatabase) {
    stage("users", "");
    const auto taken = take(
        R"("op": "c", "ns": "auth.$cmd", "o": {"renameCollection": "auth.users", "to": "other.users"})");
    ASSERT_FALSE(taken.ok());
    EXPECT_THAT(taken.error().fact, HasSubstr("which is another database"));
}

// Dropped and made anew within the slice; the copy is of the new one.
TEST_F(OplogReplayTest, LeavesANewCollectionAloneThatHasAnOldOnesName) {
    put(stage("users", kBytesB), R"({"_id": 1, "new": true})");
    expect_taken(
        fmt::format(R"("op": "d", "ns": "auth.users", "ui": {}, "o": {{"_id": 1}})", kUuidA));
    expect_taken(
        fmt::format(R"("op": "c", "ns": "auth.$cmd", "ui": {}, "o": {{"drop": "users"}})", kUuidA));
    expect_taken(fmt::format(
        R"("op": "c", "ns": "auth.$cmd", "ui": {}, "o": {{"create": "users"}})", kUuidB));
    expect_whole();
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 1, "new" : true })"));
    EXPECT_THAT(memory.calls, IsEmpty());
}

TEST_F(OplogReplayTest, ATornCollectionIsNamed) {
    put(stage("users", kBytesB), R"({"_id": 1})");
    expect_taken(
        fmt::format(R"("op": "d", "ns": "auth.users", "ui": {}, "o": {{"_id": 1}})", kUuidA));
    const auto torn = replay.finish();
    ASSERT_FALSE(torn.ok());
    EXPECT_THAT(torn.error().fact, HasSubstr("auth.users"));
}

TEST_F(OplogReplayTest, CreatesAndDropsAsTheSliceSays) {
    expect_taken(
        R"("op": "c", "ns": "auth.$cmd", "o": {"create": "a", "capped": true, "size": 4096, "idIndex": {"v": 2}})");
    expect_taken(R"("op": "i", "ns": "auth.b", "o": {"_id": 1})");
    expect_taken(R"("op": "c", "ns": "auth.$cmd", "o": {"drop": "a"})");
    expect_taken(
        R"("op": "c", "ns": "auth.$cmd", "o": {"create": "v", "viewOn": "b", "pipeline": []})");
    expect_taken(
        R"("op": "i", "ns": "auth.system.views", "o": {"_id": "auth.w", "viewOn": "b", "pipeline": []})");
    expect_whole();
    EXPECT_THAT(memory.calls, ElementsAre("create a", "create b", "drop a"));
    ASSERT_NE(catalog.named("auth", "w"), nullptr);
    EXPECT_EQ(json(catalog.named("auth", "w")->options),
              R"({ "viewOn" : "b", "pipeline" : [  ] })");
    EXPECT_EQ(catalog.named("auth", "v")->kind, StagedCollection::Kind::view);
}

// A capped collection keeps its order, and what had been pushed out before the copy stays out.
TEST_F(OplogReplayTest, AppendsToACappedCollectionInOrder) {
    const auto* log = stage("log", "", R"({"capped": true, "size": 4096})");
    put(log, R"({"_id": 6})");
    for (const int id : {5, 6, 9, 8})
        expect_taken(fmt::format(R"("op": "i", "ns": "auth.log", "o": {{"_id": {}}})", id));
    memory.order.clear();
    expect_whole();
    EXPECT_THAT(memory.order,
                ElementsAre(R"({ "_id" : 6 })", R"({ "_id" : 9 })", R"({ "_id" : 8 })"));
}

TEST_F(OplogReplayTest, RefusesUnknownCommandsAndKindsByName) {
    const auto command = take(R"("op": "c", "ns": "auth.$cmd", "o": {"reshardCollection": "x"})");
    ASSERT_FALSE(command.ok());
    EXPECT_THAT(command.error().fact, HasSubstr("oplog entry 100:1 on auth.$cmd"));
    EXPECT_THAT(command.error().fact, HasSubstr("'reshardCollection'"));
    const auto kind = take(R"("op": "zz", "ns": "auth.x", "o": {})");
    ASSERT_FALSE(kind.ok());
    EXPECT_THAT(kind.error().fact, HasSubstr("'zz'"));
}

TEST_F(OplogReplayTest, TakesNothingFromTheLimitOn) {
    stage("users", "");
    replay.set_limit((std::uint64_t{100} << 32U) | 2U);
    expect_taken(R"("op": "i", "ns": "auth.users", "o": {"_id": 1})");
    expect_taken(R"("op": "i", "ns": "auth.users", "o": {"_id": 2})");
    expect_whole();
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 1 })"));
    EXPECT_EQ(position_text(replay.last()), "100:1");
}

}  // namespace
}  // namespace asb::mongodb
