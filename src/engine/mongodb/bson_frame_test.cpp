#include "engine/mongodb/bson_frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/mongodb/oplog_test_support.hpp"

namespace asb::mongodb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const char* const kEveryType =
    R"({"d": {"$numberDouble": "1.5"}, "s": "x", "o": {"a": [1, {"b": 2}]},
    "bin": {"$binary": {"base64": "AAEC", "subType": "00"}}, "oid": {"$oid": "0123456789abcdef01234567"},
    "t": true, "date": {"$date": {"$numberLong": "5"}}, "null": null,
    "re": {"$regularExpression": {"pattern": "a", "options": "i"}}, "code": {"$code": "f"},
    "scoped": {"$code": "f", "$scope": {"a": 1}}, "i": {"$numberInt": "1"},
    "ts": {"$timestamp": {"t": 1, "i": 2}}, "l": {"$numberLong": "1"},
    "dec": {"$numberDecimal": "1"}, "min": {"$minKey": 1}, "max": {"$maxKey": 1}})";

TEST(BsonFramer, CutsDocumentsFromPiecesOfAnySize) {
    const auto one = bson(kEveryType);
    const auto two = bson(R"({"_id": 2})");
    const auto all = one + two + one;
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
        std::vector<std::string> seen;
        BsonFramer framer("x.bson", [&](Bytes document) {
            seen.emplace_back(as_text(document));
            return Status();
        });
        for (std::size_t at = 0; at < all.size(); at += piece)
            ASSERT_TRUE(framer.feed(as_bytes(std::string_view(all).substr(at, piece))).ok());
        ASSERT_TRUE(framer.finish().ok());
        ASSERT_THAT(seen, ElementsAre(one, two, one)) << piece;
    }
}

TEST(BsonFramer, NamesTheEntryAndTheOffsetOfDamage) {
    BsonFramer framer("auth/users.bson", [](Bytes) { return Status(); });
    ASSERT_TRUE(framer.feed(as_bytes(bson(R"({"a": 1})"))).ok());
    const auto status = framer.feed(as_bytes(std::string_view("\xff\xff\xff\x7f", 4)));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::damaged);
    EXPECT_THAT(status.error().fact, HasSubstr("auth/users.bson: a document claims 2147483647"));
    EXPECT_THAT(status.error().fact, HasSubstr("(document at byte 12)"));
}

TEST(BsonFramer, RefusesAnEndWithinADocument) {
    BsonFramer framer("x.bson", [](Bytes) { return Status(); });
    const auto whole = bson(R"({"a": 1})");
    ASSERT_TRUE(framer.feed(as_bytes(std::string_view(whole).substr(0, 7))).ok());
    ASSERT_FALSE(framer.finish().ok());
}

// Each byte that says a length, an end or a type, changed in turn (bsonspec.org; the bson corpus'
// decode errors).
TEST(ValidateBson, SeesDamageOfEveryKind) {
    const auto broken = [](std::string bytes, std::size_t at, char to) {
        bytes[at] = to;
        return validate_bson(as_bytes(bytes));
    };
    const auto text = bson(R"({"a": "xy"})");  // 4 length, 1 type, "a\0", 4 length, "xy\0", 0
    EXPECT_TRUE(validate_bson(as_bytes(text)).ok());
    EXPECT_FALSE(broken(text, 0, 3).ok());
    EXPECT_FALSE(broken(text, text.size() - 1, 1).ok());
    EXPECT_FALSE(broken(text, 4, 0x20).ok());
    EXPECT_FALSE(broken(text, 7, 0).ok());
    EXPECT_FALSE(broken(text, 7, 2).ok());
    EXPECT_FALSE(broken(text, 7, 9).ok());
    EXPECT_FALSE(broken(text, 13, 'z').ok());
    const auto flag = bson(R"({"a": true})");
    EXPECT_FALSE(broken(flag, 7, 2).ok());
    const auto inner = bson(R"({"a": {"b": 1}})");
    EXPECT_FALSE(broken(inner, 7, 13).ok());
    EXPECT_FALSE(broken(inner, 7, 11).ok());
    const auto scoped = bson(R"({"a": {"$code": "f", "$scope": {}}})");
    EXPECT_FALSE(broken(scoped, 11, 9).ok());
}

TEST(ValidateBson, BoundsTheDepth) {
    const auto nested = [](unsigned levels) {
        auto document = BsonWriter().finish();
        for (unsigned i = 1; i < levels; ++i)
            document = BsonWriter().add_document("a", as_bytes(document)).finish();
        return document;
    };
    EXPECT_TRUE(validate_bson(as_bytes(nested(kDocumentDepthMax))).ok());
    EXPECT_FALSE(validate_bson(as_bytes(nested(kDocumentDepthMax + 1))).ok());
}

}  // namespace
}  // namespace asb::mongodb
