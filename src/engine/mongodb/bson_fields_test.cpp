#include "engine/mongodb/bson_fields.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

std::vector<std::byte> bytes_of(const bson_t& document) {
    const auto* data = reinterpret_cast<const std::byte*>(bson_get_data(&document));
    return {data, data + document.len};
}

TEST(BsonFields, AWholeDocumentIsFramedWell) {
    const auto bytes = bytes_of(BsonBuilder().text("a", "b").number("n", 1).get());
    EXPECT_TRUE(check_frame(bytes).ok());
    EXPECT_EQ(*document_length(bytes), bytes.size());
}

TEST(BsonFields, ABrokenFrameIsDamage) {
    const auto good = bytes_of(BsonBuilder().text("a", "b").get());
    auto no_end = good;
    no_end.back() = std::byte{1};
    auto too_long = good;
    too_long[0] = std::byte{0xFF};
    auto too_large = good;
    too_large[3] = std::byte{0x7F};
    const std::vector<std::byte> cut(good.begin(), good.begin() + 3);
    const std::vector<std::byte> tiny(4);
    for (const auto& bytes : {no_end, too_long, too_large, cut, tiny}) {
        const auto checked = check_frame(bytes);
        ASSERT_FALSE(checked.ok());
        EXPECT_EQ(checked.error().code, Code::damaged);
    }
}

TEST(BsonFields, ReadsWhatHasTheRightTypeOnly) {
    const auto inner = BsonBuilder().optime("ts", {5, 6}).flag("ok", true).take();
    const auto document = BsonBuilder().document("o", *inner).number("n", 1LL << 40).take();
    EXPECT_EQ(optime_at(*document, "o.ts"), (OpTime{5, 6}));
    EXPECT_EQ(flag_at(*document, "o.ok"), true);
    EXPECT_EQ(number_at(*document, "n"), 1LL << 40);
    EXPECT_FALSE(text_at(*document, "n"));
    EXPECT_FALSE(number_at(*document, "o"));
    EXPECT_FALSE(find_field(*document, "o.missing"));
}

TEST(BsonFields, TakesTheDocumentsOfAList) {
    const auto one = BsonBuilder().number("_id", 1).take();
    const auto two = BsonBuilder().number("_id", 2).take();
    const auto list =
        BsonBuilder().document("0", *one).text("1", "no document").document("2", *two).take();
    const auto reply = BsonBuilder().array("batch", *list).number("id", 0).take();
    const auto found = documents_at(*reply, "batch");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_TRUE(bson_equal(found[0].get(), one.get()));
    EXPECT_TRUE(bson_equal(found[1].get(), two.get()));
    EXPECT_TRUE(documents_at(*reply, "id").empty());
    EXPECT_TRUE(documents_at(*reply, "none").empty());
}

TEST(OpTime, ReadsBackItsOwnText) {
    EXPECT_EQ(to_text(OpTime{1795379725, 3}), "1795379725:3");
    EXPECT_EQ(*parse_optime("1795379725:3"), (OpTime{1795379725, 3}));
    for (const auto* text : {"", "1", "1:", ":1", "1:2:3", "-1:2", "4294967296:1", "1:4294967296"})
        EXPECT_EQ(parse_optime(text).error().code, Code::usage) << text;
    EXPECT_LT((OpTime{1, 9}), (OpTime{2, 0}));
}

}  // namespace
}  // namespace asb
