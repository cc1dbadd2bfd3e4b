#include "engine/mongodb/layout.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace asb {
namespace {

TEST(MongoLayout, EscapesCollectionsAsMongodumpDoes) {
    EXPECT_EQ(metadata_entry("auth", "users"), "mongodb/auth/users.metadata.json");
    EXPECT_EQ(data_entry("auth", "a/b c é$~"), "mongodb/auth/a%2Fb+c+%C3%A9%24~.bson");
    EXPECT_EQ(data_entry("auth", "users", 7), "mongodb/auth/users.bson.000007");
    EXPECT_EQ(data_entry("auth", "$admin.system.users"), "mongodb/auth/$admin.system.users.bson");
    EXPECT_EQ(oplog_entry(), "mongodb/oplog.bson");
    EXPECT_EQ(oplog_before_entry(3), "mongodb/oplog-before.bson.000003");
}

// printf %s "$(printf 'n%.0s' {1..239})" | openssl dgst -sha1 -binary | basenc --base64url
TEST(MongoLayout, ShortensLongNamesAsMongodumpDoes) {
    const std::string whole(238, 'n');
    const std::string kept(208, 'n');
    EXPECT_EQ(collection_stem(whole), whole);
    EXPECT_EQ(collection_stem(fmt::format("{}n", whole)),
              fmt::format("{}%24KlE1B8w-hZ88ofC8BT2w5nPt7Ws", kept));
}

TEST(MongoLayout, ReadsBackWhatItNames) {
    const auto data = parse_mongo_entry(data_entry("auth", "a/b", 12));
    ASSERT_TRUE(data);
    EXPECT_EQ(data->kind, MongoEntry::Kind::data);
    EXPECT_EQ(data->database, "auth");
    EXPECT_EQ(data->stem, "a%2Fb");
    EXPECT_EQ(data->part, 12U);
    EXPECT_EQ(unescape_stem(data->stem), "a/b");
    const auto metadata = parse_mongo_entry("mongodb/auth/users.metadata.json");
    ASSERT_TRUE(metadata);
    EXPECT_EQ(metadata->kind, MongoEntry::Kind::metadata);
    EXPECT_EQ(metadata->stem, "users");
    EXPECT_EQ(parse_mongo_entry("mongodb/oplog.bson.000002")->kind, MongoEntry::Kind::oplog);
    EXPECT_EQ(parse_mongo_entry(oplog_before_entry())->kind, MongoEntry::Kind::oplog_before);
    EXPECT_EQ(parse_mongo_entry(oplog_before_entry(1))->part, 1U);
    EXPECT_EQ(parse_mongo_entry("mongodb/prelude.json")->kind, MongoEntry::Kind::prelude);
}

// A collection may be called like one of our parts.
TEST(MongoLayout, TellsAPartFromACollectionWithSuchAName) {
    const auto entry = parse_mongo_entry(data_entry("auth", "x.bson.000001"));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->stem, "x.bson.000001");
    EXPECT_FALSE(entry->part);
}

TEST(MongoLayout, KnowsWhichEntriesAreLog) {
    for (const auto& name : {oplog_entry(), oplog_before_entry(2)})
        EXPECT_TRUE(is_oplog(parse_mongo_entry(name)->kind)) << name;
    for (const auto& name : {data_entry("auth", "oplog-before"), metadata_entry("auth", "oplog")})
        EXPECT_FALSE(is_oplog(parse_mongo_entry(name)->kind)) << name;
}

TEST(MongoLayout, KnowsNoOtherNames) {
    for (const auto* name :
         {"postgresql/base/1", "mongodb/", "mongodb/x.bson", "mongodb/oplog-after.bson",
          "mongodb/a/b/c.bson", "mongodb/a/c.txt", "mongodb/a/.bson", "mongodb/a/c.bson.1",
          "mongodb/a/c.bson.000000", "mongodb/a/c.bson.0000001"})
        EXPECT_FALSE(parse_mongo_entry(name)) << name;
}

TEST(MongoLayout, AShortenedStemGivesNoName) {
    EXPECT_FALSE(unescape_stem(collection_stem(std::string(300, 'n'))));
    EXPECT_FALSE(unescape_stem("a%2"));
    EXPECT_FALSE(unescape_stem("a%2f"));  // Go writes upper-case hex
}

TEST(MongoLayout, LeavesOutWhatMongodumpLeavesOut) {
    EXPECT_TRUE(is_skipped_collection("local", "oplog.rs"));
    EXPECT_TRUE(is_skipped_collection("admin", "system.keys"));
    EXPECT_FALSE(is_skipped_collection("admin", "system.users"));
    EXPECT_TRUE(is_skipped_collection("config", "transactions"));
    EXPECT_FALSE(is_skipped_collection("config", "settings"));
    EXPECT_TRUE(is_skipped_collection("auth", "system.views"));
    EXPECT_TRUE(is_skipped_collection("auth", "system.buckets.x"));
    EXPECT_FALSE(is_skipped_collection("auth", "system.js"));
    EXPECT_FALSE(is_skipped_collection("auth", "users"));
}

}  // namespace
}  // namespace asb
