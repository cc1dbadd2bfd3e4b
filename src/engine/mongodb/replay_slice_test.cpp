#include "engine/mongodb/replay_slice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace asb::mongodb {
namespace {

using testing::HasSubstr;

bool takes(ReplaySlice& slice, MongoEntry::Kind kind, Position position) {
    const auto taken = slice.takes(kind, position);
    EXPECT_TRUE(taken.ok()) << position;
    return taken.ok() && *taken;
}

TEST(ReplaySlice, BeginsAfterItsStartAndEndsWithItsEnd) {
    ReplaySlice slice({0, 10, 20});
    EXPECT_FALSE(takes(slice, MongoEntry::Kind::oplog, 9));
    EXPECT_FALSE(takes(slice, MongoEntry::Kind::oplog, 10));
    EXPECT_TRUE(takes(slice, MongoEntry::Kind::oplog, 11));
    EXPECT_TRUE(takes(slice, MongoEntry::Kind::oplog, 11));  // several at one position
    EXPECT_TRUE(takes(slice, MongoEntry::Kind::oplog, 20));
    const auto beyond = slice.takes(MongoEntry::Kind::oplog, 21);
    ASSERT_FALSE(beyond.ok());
    EXPECT_EQ(beyond.error().code, Code::damaged);
    EXPECT_THAT(beyond.error().fact, HasSubstr("holds an entry at 0:21"));
}

// Where a transaction was open when the copy began, its slice begins with that one's first entry.
TEST(ReplaySlice, AFullBackupsOwnSliceRepeatsNothingOfWhatPrecedesIt) {
    ReplaySlice slice({0, 10, 20});
    for (const Position position : {11U, 13U, 15U, 15U})
        EXPECT_TRUE(takes(slice, MongoEntry::Kind::oplog_before, position)) << position;
    for (const Position position : {13U, 15U, 15U})
        EXPECT_FALSE(takes(slice, MongoEntry::Kind::oplog, position)) << position;
    for (const Position position : {16U, 16U, 20U})
        EXPECT_TRUE(takes(slice, MongoEntry::Kind::oplog, position)) << position;
}

// The range then begins with the backup's own slice.
TEST(ReplaySlice, WhatPrecedesAFullBackupWithAHoleIsPassedOver) {
    ReplaySlice slice({0, 10, 20});
    for (const Position position : {5U, 7U})
        EXPECT_FALSE(takes(slice, MongoEntry::Kind::oplog_before, position)) << position;
    EXPECT_FALSE(takes(slice, MongoEntry::Kind::oplog, 10));
    EXPECT_TRUE(takes(slice, MongoEntry::Kind::oplog, 11));
}

}  // namespace
}  // namespace asb::mongodb
