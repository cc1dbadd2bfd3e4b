// Entries after a copy's own slice: each meets the state at exactly the position before it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/mongodb/oplog_replay_fixture.hpp"

namespace asb::mongodb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class OplogSlicesTest : public OplogReplayTest {
  protected:
    void leave_copy() {
        const auto left = replay.leave_copy();
        ASSERT_TRUE(left.ok()) << left.error().fact;
    }
    void expect_command(const std::string& o, const char* uuid = nullptr) {
        const auto ui = uuid != nullptr ? fmt::format(R"("ui": {}, )", uuid) : std::string();
        expect_taken(fmt::format(R"("op": "c", "ns": "auth.$cmd", {}"o": {})", ui, o));
    }
    void expect_insert(const char* collection, int id, const char* uuid = nullptr) {
        const auto ui = uuid != nullptr ? fmt::format(R"("ui": {}, )", uuid) : std::string();
        expect_taken(
            fmt::format(R"("op": "i", "ns": "auth.{}", {}"o": {{"_id": {}}})", collection, ui, id));
    }
};

TEST_F(OplogSlicesTest, ATornCopyIsFoundBeforeWhatFollowsCouldHideIt) {
    stage("users", "");
    expect_taken(
        R"("op": "u", "ns": "auth.users", "o": {"$v": 2, "diff": {"u": {"a": 2}}}, "o2": {"_id": 8})");
    EXPECT_EQ(replay.leave_copy().error().code, Code::damaged);
}

TEST_F(OplogSlicesTest, ATransactionThatIsOpenAtASlicesEndIsCommittedInTheNext) {
    stage("users", "");
    expect_taken(R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1}, "txnNumber": 1,
        "prevOpTime": {"ts": {"$timestamp": {"t": 0, "i": 0}}, "t": -1},
        "o": {"applyOps": [{"op": "i", "ns": "auth.users", "o": {"_id": 1}}], "prepare": true})");
    leave_copy();
    EXPECT_EQ(replay.discarded_transactions(), 1U);
    leave_copy();  // and another slice
    expect_taken(R"("op": "c", "ns": "admin.$cmd", "lsid": {"id": 1}, "txnNumber": 1,
        "prevOpTime": {"ts": {"$timestamp": {"t": 100, "i": 1}}, "t": 1},
        "o": {"commitTransaction": 1, "commitTimestamp": {"$timestamp": {"t": 100, "i": 2}}})");
    expect_whole();
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 1 })"));
    EXPECT_EQ(replay.discarded_transactions(), 0U);
}

// secantusd-py gives a collection a new UUID when it is renamed.
TEST_F(OplogSlicesTest, RenamesDropsAndCreatesOfOneNameFollowEachOther) {
    stage("a", kBytesA);
    leave_copy();
    expect_insert("a", 1, kUuidA);
    expect_command(R"({"renameCollection": "auth.a", "to": "auth.b"})", kUuidA);
    expect_insert("b", 2, kUuidB);
    expect_insert("a", 3, kUuidA);
    expect_command(R"({"drop": "a"})", kUuidA);
    expect_command(R"({"create": "a"})", kUuidB);
    expect_insert("a", 4, kUuidB);
    expect_whole();
    EXPECT_THAT(documents("a"), ElementsAre(R"({ "_id" : 4 })"));
    EXPECT_THAT(documents("b"), ElementsAre(R"({ "_id" : 1 })", R"({ "_id" : 2 })"));
}

TEST_F(OplogSlicesTest, ARenameTakesTheIndexesAlongAndReplacesItsTarget) {
    stage("live", kBytesA);
    leave_copy();
    expect_insert("live", 1, kUuidA);
    expect_insert("tmp.out", 2, kUuidB);
    expect_command(R"({"createIndexes": "tmp.out", "v": 2, "key": {"n": 1}, "name": "n_1"})",
                   kUuidB);
    // The target as the server that lost its UUID names it: true, or one that is not known.
    expect_command(R"({"renameCollection": "auth.tmp.out", "to": "auth.live", "dropTarget": true})",
                   kUuidB);
    expect_insert("live", 3, kUuidB);
    expect_whole();
    EXPECT_THAT(documents("live"), ElementsAre(R"({ "_id" : 2 })", R"({ "_id" : 3 })"));
    EXPECT_EQ(catalog.named("auth", "live")->indexes.size(), 1U);
    EXPECT_EQ(catalog.named("auth", "tmp.out"), nullptr);
}

TEST_F(OplogSlicesTest, ADroppedDatabaseIsEmptyWhateverTheServerDroppedBefore) {
    stage("a", kBytesA);
    leave_copy();
    expect_insert("a", 1, kUuidA);
    expect_command(R"({"dropDatabase": 1})");
    expect_insert("a", 2, kUuidB);
    expect_whole();
    EXPECT_THAT(documents("a"), ElementsAre(R"({ "_id" : 2 })"));
}

TEST_F(OplogSlicesTest, CappedCollectionsViewsAndOptionsFollow) {
    stage("log", kBytesA);
    leave_copy();
    expect_command(R"({"convertToCapped": "log", "size": {"$numberLong": "4096"}})", kUuidA);
    for (const int id : {9, 8}) expect_insert("log", id, kUuidA);
    expect_command(R"({"create": "v", "viewOn": "log", "pipeline": []})");
    expect_command(R"({"collMod": "v", "viewOn": "log", "pipeline": [{"$match": {"a": 1}}]})");
    expect_command(R"({"create": "w", "viewOn": "log", "pipeline": []})");
    expect_command(R"({"drop": "w"})");
    expect_command(R"({"collMod": "log", "validationLevel": "moderate"})", kUuidA);
    expect_whole();
    EXPECT_THAT(memory.order, ElementsAre(R"({ "_id" : 9 })", R"({ "_id" : 8 })"));
    EXPECT_EQ(json(catalog.named("auth", "v")->options),
              R"({ "viewOn" : "log", "pipeline" : [ { "$match" : { "a" : 1 } } ] })");
    EXPECT_EQ(catalog.named("auth", "w"), nullptr);
    EXPECT_EQ(json(catalog.named("auth", "log")->options),
              R"({ "capped" : true, "size" : 4096, "validationLevel" : "moderate" })");
}

TEST_F(OplogSlicesTest, WhatIsNewIsInsertedAndWhatMayBeThereIsReplaced) {
    put(stage("users", kBytesA), R"({"_id": 1})");
    leave_copy();
    expect_insert("users", 2, kUuidA);
    expect_taken(R"("op": "d", "ns": "auth.users", "o": {"_id": 1})");
    expect_insert("users", 1, kUuidA);
    expect_whole();
    EXPECT_THAT(memory.calls, ElementsAre("insert 1 into users"));
    EXPECT_THAT(documents("users"), ElementsAre(R"({ "_id" : 1 })", R"({ "_id" : 2 })"));
}

TEST_F(OplogSlicesTest, ARenameOfWhatItDoesNotHoldIsDamage) {
    leave_copy();
    const auto taken = take(
        R"("op": "c", "ns": "auth.$cmd", "o": {"renameCollection": "auth.a", "to": "auth.b"})");
    ASSERT_FALSE(taken.ok());
    EXPECT_THAT(taken.error().fact, HasSubstr("renames auth.a, which the backup does not hold"));
}

// With --only: what was not asked for, and so not restored, cannot come in under another name.
TEST(OplogSlicesOnly, ARenameIntoWhatIsAskedForIsRefused) {
    RestoreCatalog catalog("id");
    Memory memory;
    OplogReplay replay(
        catalog, memory, memory,
        {.home = [](std::string_view database) { return std::string(database); },
         .wanted = [](std::string_view, std::string_view name) { return name == "users"; },
         .kept = [](std::string_view, std::string_view) { return false; }});
    ASSERT_TRUE(replay.leave_copy().ok());
    const auto taken = replay.take(as_bytes(bson(
        R"({"ts": {"$timestamp": {"t": 1, "i": 1}}, "op": "c", "ns": "auth.$cmd",
            "o": {"renameCollection": "auth.tmp", "to": "auth.users"}})")));
    ASSERT_FALSE(taken.ok());
    EXPECT_THAT(taken.error().fact, HasSubstr("auth.tmp was renamed to users"));
    EXPECT_EQ(taken.error().hint, "name both with --only");
}

}  // namespace
}  // namespace asb::mongodb
