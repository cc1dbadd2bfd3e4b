#include "engine/postgres/wal_point.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

TEST(WalPoint, ReadsBackWhatItPrints) {
    for (const LogPoint point : {LogPoint{0, 0x2000028}, LogPoint{1, 0x16B374D848},
                                 LogPoint{~std::uint32_t{0}, ~std::uint64_t{0}}})
        EXPECT_EQ(parse_wal_point(wal_point_text(point)).value(), point);
    EXPECT_EQ(wal_point_text({0, 0x2000028}), "0/2000028");
    EXPECT_EQ(wal_point_text({2, 0x2000028}), "0/2000028 (timeline 2)");
}

TEST(WalPoint, RefusesWhatIsNoPosition) {
    for (const char* text :
         {"", "yesterday", "0/2000028 (timeline 0)", "0/2000028 (timeline )",
          "0/2000028 (timeline 1", "0/2000028 (timeline 4294967296)", "0/2000028 (timeline -1)",
          "0/2000028(timeline 1)", "0/2000028 timeline 1", " (timeline 1)"}) {
        const auto point = parse_wal_point(text);
        ASSERT_FALSE(point.ok()) << text;
        EXPECT_EQ(point.error().code, Code::usage);
        EXPECT_NE(point.error().hint.find("'0/2000028 (timeline 1)'"), std::string::npos);
    }
}

}  // namespace
}  // namespace asb
