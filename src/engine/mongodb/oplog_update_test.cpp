#include "engine/mongodb/oplog_update.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/mongodb/oplog_test_support.hpp"

namespace asb::mongodb {
namespace {

std::string after(std::string_view document, std::string_view update) {
    const auto before = bson(document);
    const auto change = bson(update);
    const auto now = apply_update(view_of(before), view_of(change));
    return now.ok() ? json(*now) : now.error().fact;
}

TEST(OplogUpdate, ReplacesAWholeDocumentAndKeepsItsId) {
    EXPECT_EQ(after(R"({"_id": 1, "a": 1})", R"({"_id": 1, "b": 2})"), R"({ "_id" : 1, "b" : 2 })");
    EXPECT_EQ(after(R"({"_id": 1, "a": 1})", R"({"b": 2})"), R"({ "_id" : 1, "b" : 2 })");
    EXPECT_EQ(after(R"({"_id": 1})", R"({"_id": 1, "$x": 5})"), R"({ "_id" : 1, "$x" : 5 })");
}

// $v: 1, servers before 5.0.
TEST(OplogUpdate, SetsAndUnsetsPathsOfTheOldDialect) {
    EXPECT_EQ(
        after(R"({"_id": 1, "a": {"b": 1, "c": 2}, "d": [1, 2]})",
              R"({"$v": 1, "$set": {"a.b": 9, "d.3": 7, "n.m": 1}, "$unset": {"a.c": true}})"),
        R"({ "_id" : 1, "a" : { "b" : 9 }, "d" : [ 1, 2, null, 7 ], "n" : { "m" : 1 } })");
}

// The sections of mongo/src/mongo/db/update/document_diff_serialization.h.
TEST(OplogUpdate, AppliesEachSectionOfMongodsDelta) {
    EXPECT_EQ(after(R"({"_id": 1, "a": 1, "b": 2, "c": {"x": 1, "y": 2}, "e": 5})",
                    R"({"$v": 2, "diff": {"d": {"b": false}, "u": {"a": 7}, "i": {"n": 1, "e": 6},
                        "sc": {"d": {"x": false}, "i": {"z": 3}}}})"),
              R"({ "_id" : 1, "a" : 7, "c" : { "y" : 2, "z" : 3 }, "n" : 1, "e" : 6 })");
}

TEST(OplogUpdate, AppliesNestedArrayDeltasAndTruncation) {
    EXPECT_EQ(after(R"({"_id": 1, "a": [1, {"x": [1, 2, 3]}, 3, 4]})",
                    R"({"$v": 2, "diff": {"sa": {"a": true, "l": 3, "u0": 9,
                        "s1": {"sx": {"a": true, "l": 1, "u0": 5}}}}})"),
              R"({ "_id" : 1, "a" : [ 9, { "x" : [ 5 ] }, 3 ] })");
    EXPECT_EQ(
        after(R"({"_id": 1, "a": [1]})", R"({"$v": 2, "diff": {"sa": {"a": true, "u3": 4}}})"),
        R"({ "_id" : 1, "a" : [ 1, null, null, 4 ] })");
}

// Time-series columns: the bytes up to an offset, then others.
TEST(OplogUpdate, PatchesBinaryDataAtItsOffset) {
    EXPECT_EQ(
        after(
            R"({"_id": 1, "c": {"$binary": {"base64": "AAECAw==", "subType": "07"}}})",
            R"({"$v": 2, "diff": {"b": {"c": {"o": 2, "d": {"$binary": {"base64": "//8B", "subType": "00"}}}}}})"),
        R"({ "_id" : 1, "c" : { "$binary" : { "base64" : "AAH//wE=", "subType" : "07" } } })");
}

// A document that a later entry has changed already: what does not fit is left for that entry.
TEST(OplogUpdate, MeetsALaterStateWithoutHarm) {
    EXPECT_EQ(after(R"({"_id": 1, "a": 5})", R"({"$v": 2, "diff": {"sa": {"u": {"x": 1}}}})"),
              R"({ "_id" : 1, "a" : null })");
    EXPECT_EQ(after(R"({"_id": 1, "a": 5})",
                    R"({"$v": 2, "diff": {"updatedFields": {"a.b": 1}, "removedFields": ["c.d"],
                        "truncatedArrays": [{"field": "a", "newSize": 1}]}})"),
              R"({ "_id" : 1, "a" : 5 })");
    const std::string changes = R"({"$v": 2, "diff": {"u": {"a": 2}, "i": {"b": 3}}})";
    const auto once = after(R"({"_id": 1, "a": 1})", changes);
    EXPECT_EQ(after(once, changes), once);
}

// As change streams describe an update (manual, "Change Events", updateDescription).
TEST(OplogUpdate, AppliesUpdatedRemovedAndTruncatedFields) {
    EXPECT_EQ(
        after(R"({"_id": 1, "b": {"c": 1, "d": 2}, "arr": [1, 2, 3], "t": [1, 2, 3]})",
              R"({"$v": 2, "diff": {"updatedFields": {"n": {"m": 1}, "b.d": 5, "arr.1": 9},
                        "removedFields": ["b.c"], "truncatedArrays": [{"field": "t", "newSize": 1}]}})"),
        R"({ "_id" : 1, "b" : { "d" : 5 }, "arr" : [ 1, 9, 3 ], "t" : [ 1 ], "n" : { "m" : 1 } })");
}

TEST(OplogUpdate, RefusesFormsThatItDoesNotKnow) {
    EXPECT_THAT(after(R"({"_id": 1})", R"({"$v": 3, "diff": {}})"),
                testing::HasSubstr("unknown form"));
    EXPECT_THAT(after(R"({"_id": 1})", R"({"$v": 1, "$inc": {"a": 1}})"),
                testing::HasSubstr("unknown form: $inc"));
    EXPECT_THAT(after(R"({"_id": 1})", R"({"$v": 2, "diff": {"q": 1}})"),
                testing::HasSubstr("malformed"));
    EXPECT_THAT(after(R"({"_id": 1, "a": []})",
                      R"({"$v": 2, "diff": {"sa": {"a": true, "u99999999": 1}}})"),
                testing::HasSubstr("malformed"));
}

}  // namespace
}  // namespace asb::mongodb
