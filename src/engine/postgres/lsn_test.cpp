#include "engine/postgres/lsn.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace asb {
namespace {

TEST(Lsn, ReadsAndWritesAsPostgresPrintsIt) {
    for (const char* text : {"0/0", "0/2000028", "16/B374D848", "FFFFFFFF/FFFFFFFF"})
        EXPECT_EQ(to_text(parse_lsn(text).value()), text);
    EXPECT_EQ(parse_lsn("16/b374d848").value(), (Lsn{0x16B374D848}));
}

TEST(Lsn, RefusesWhatIsNotOne) {
    for (const char* text :
         {"", "/", "0", "0/", "/0", "0/1/2", "0x1/0", "0/100000000", "-1/0", "0/ 1"})
        EXPECT_FALSE(parse_lsn(text).ok()) << text;
}

TEST(WalFileName, CountsSegmentsOfTheClustersSize) {
    const Lsn lsn = parse_lsn("1/2000028").value();
    EXPECT_EQ(wal_file_name(1, lsn, 16 * kMiB), "000000010000000100000002");
    EXPECT_EQ(wal_file_name(0xA, lsn, 1 * kMiB), "0000000A0000000100000020");
    EXPECT_EQ(wal_file_name(1, lsn, 1 * kGiB), "000000010000000100000000");
}

TEST(WalFileName, GoesToTheNextIdAfterTheLastSegment) {
    EXPECT_EQ(wal_file_name(1, parse_lsn("0/FFFFFFFF").value(), 16 * kMiB),
              "0000000100000000000000FF");
    EXPECT_EQ(wal_file_name(1, parse_lsn("1/0").value(), 16 * kMiB), "000000010000000100000000");
}

TEST(SegmentStart, IsTheBoundaryAtOrBefore) {
    EXPECT_EQ(to_text(segment_start(parse_lsn("0/2000028").value(), 16 * kMiB)), "0/2000000");
    EXPECT_EQ(to_text(segment_start(parse_lsn("0/2000000").value(), 16 * kMiB)), "0/2000000");
    EXPECT_EQ(to_text(segment_start(parse_lsn("0/1FFFFFF").value(), 16 * kMiB)), "0/1000000");
}

TEST(HistoryFileName, IsTheTimelineInHex) {
    EXPECT_EQ(history_file_name(26), "0000001A.history");
}

}  // namespace
}  // namespace asb
