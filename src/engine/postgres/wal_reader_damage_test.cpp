// What is broken is never told, and never taken for something else.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "engine/postgres/wal_test_pages.hpp"

namespace asb::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Reading {
    ToldRecords told;
    Status status;
};

Reading read(std::string_view bytes, Lsn start = kBegin) {
    Reading reading;
    WalReader reader({.segment_bytes = kTestSegment, .start = start}, reading.told);
    reading.status = reader.feed(as_bytes(bytes));
    return reading;
}

std::string error_of(std::string_view bytes, Lsn start = kBegin) {
    const Reading reading = read(bytes, start);
    return reading.status.ok() ? "" : reading.status.error().fact;
}

// Small and large records, a little more than three pages.
WalPages mixed_pages() {
    WalPages pages(kBegin);
    for (std::size_t i = 0; i < 20; ++i) {
        pages.add_commit(at_second(1), std::string(i, 'm'));
        pages.add_filler(100 + 97 * i);
    }
    pages.add_restore_point("here", at_second(30));
    pages.add_filler(6000);
    return pages;
}

TEST(WalReaderDamage, OfACutLogOnlyWhatIsCompleteIsTold) {
    const WalPages pages = mixed_pages();
    const std::string& all = pages.bytes();
    ToldRecords told;
    WalReader reader({.segment_bytes = kTestSegment, .start = kBegin}, told);
    const Reading reference = read(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_TRUE(reader.feed(as_bytes(std::string_view(all).substr(i, 1))).ok()) << i;
        const Lsn position = reader.position();
        const std::size_t count = told.places.size();
        // Up to 7 bytes of padding are not waited for.
        if (count > 0) {
            ASSERT_LT(told.places.back().end.value, position.value + kWalAlignment);
        }
        if (count < reference.told.places.size()) {
            const WalPlace next = reference.told.places[count];
            ASSERT_LT(position.value, next.end.value);
            ASSERT_EQ(reader.open_record().has_value(), position > next.start) << i;
        }
    }
    EXPECT_EQ(told.lines, reference.told.lines);
    EXPECT_THAT(told.places, SizeIs(42));
}

TEST(WalReaderDamage, EveryByteThatIsChangedIsNoticedOrMeansNothing) {
    const WalPages pages = mixed_pages();
    const Reading good = read(pages.bytes());
    std::size_t unnoticed = 0;
    for (std::size_t i = 0; i < pages.bytes().size(); ++i) {
        std::string changed = pages.bytes();
        changed[i] = static_cast<char>(changed[i] ^ 0x40);
        const Reading reading = read(changed);
        ASSERT_LE(reading.told.lines.size(), good.told.lines.size());
        for (std::size_t line = 0; line < reading.told.lines.size(); ++line)
            ASSERT_EQ(reading.told.lines[line], good.told.lines[line]) << i;
        if (reading.status.ok()) {
            ++unnoticed;
            ASSERT_EQ(reading.told.lines, good.told.lines) << i;
        } else {
            ASSERT_EQ(reading.status.error().code, Code::damaged);
        }
    }
    // Nothing says what these must be: the padding of records and of page headers (4 bytes), the
    // timeline and the database of the first page.
    EXPECT_LT(unnoticed, 20 * 7 + 4 * 8 + 12U);
}

TEST(WalReaderDamage, TheErrorNamesTheRecordOrThePage) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1));
    pages.add_filler(10'000);
    std::string bytes = pages.bytes();
    bytes[40 + 30] ^= 1;
    EXPECT_EQ(error_of(bytes), "the WAL is broken at 0/200028: a record's checksum is wrong");
    bytes = pages.bytes();
    bytes[9000] ^= 1;
    EXPECT_EQ(error_of(bytes), "the WAL is broken at 0/200050: a record's checksum is wrong");
    bytes = pages.bytes();
    bytes[kWalPageBytes + 8] ^= 1;
    EXPECT_EQ(error_of(bytes), "the WAL is broken at 0/202000: the page says that it is 0/202001");
    bytes = pages.bytes();
    bytes[kWalPageBytes + 16] ^= 1;
    EXPECT_THAT(error_of(bytes), HasSubstr("broken at 0/202000: 1888 bytes of a record should"));
    bytes = pages.bytes();
    bytes[1] = 0x11;
    EXPECT_THAT(error_of(bytes), HasSubstr("broken at 0/200000: no page of PostgreSQL 15 to 18"));
    bytes = pages.bytes();
    bytes[kWalPageBytes + 2] = 3;
    EXPECT_THAT(error_of(bytes), HasSubstr("broken at 0/202000: the page's flags are 0003"));
    bytes[kWalPageBytes + 2] = 0x11;
    EXPECT_THAT(error_of(bytes), HasSubstr("broken at 0/202000: the page's flags are 0011"));
}

TEST(WalReaderDamage, AfterDamageNothingIsTakenAnyMore) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1));
    std::string bytes = pages.bytes();
    bytes[50] ^= 1;
    ToldRecords told;
    WalReader reader({.segment_bytes = kTestSegment, .start = kBegin}, told);
    const Status first = reader.feed(as_bytes(bytes));
    ASSERT_FALSE(first.ok());
    const Status second = reader.feed(as_bytes(pages.from(Lsn{kBegin.value + 40})));
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().fact, first.error().fact);
    EXPECT_THAT(second.error().hint, HasSubstr("take a new full backup"));
    EXPECT_THAT(told.places, IsEmpty());
}

TEST(WalReaderDamage, ARecordMustFollowTheOneBeforeIt) {
    WalPages strange(kBegin, {.previous = kBegin});
    strange.add_filler(104);  // its `previous` is not known, but it lies before
    EXPECT_EQ(error_of(strange.bytes()), "");
    WalPages later(kBegin, {.previous = Lsn{kBegin.value + 40}});
    later.add_filler(104);
    EXPECT_EQ(error_of(later.bytes()),
              "the WAL is broken at 0/200028: a record that follows the one at 0/200028");
    WalPages second(kBegin);
    second.add_filler(104);
    strange.add_bytes(std::string(second.from(Lsn{kBegin.value + 40})));
    EXPECT_EQ(error_of(strange.bytes()),
              "the WAL is broken at 0/200090: a record that follows the one at 0/0");
}

TEST(WalReaderDamage, LengthsOutOfBoundsAreRefusedAtOnce) {
    for (const std::uint32_t length : {1U, 23U, kWalRecordBytesMax + 1, 0xffffffffU}) {
        WalPages pages(kBegin);
        pages.begin_page(0);
        pages.add_bytes(le(length));
        EXPECT_EQ(error_of(pages.bytes()),
                  fmt::format("the WAL is broken at 0/200028: a record of {} bytes", length));
    }
}

TEST(WalReaderDamage, PagesAreOfOneServerAndItsTimelinesOnlyGrow) {
    const auto two_pages = [](WalPages::Options second) {
        WalPages pages(kBegin);
        pages.fill_to(Lsn{kBegin.value + kTestSegment});
        pages.options = second;
        pages.add_filler(100);
        return error_of(pages.bytes());
    };
    EXPECT_EQ(two_pages({}), "");
    EXPECT_EQ(two_pages({.timeline = 2}), "");
    EXPECT_THAT(two_pages({.timeline = 0}), HasSubstr("a page of timeline 0 after one of 1"));
    EXPECT_THAT(two_pages({.magic = 0xD113}),
                HasSubstr("broken at 0/300000: a page of PostgreSQL 16 after one of 15"));
    WalPages pages(kBegin, {.segment_bytes = 2 * kTestSegment});
    pages.add_filler(100);
    EXPECT_THAT(error_of(pages.bytes()),
                HasSubstr("its segments are of 2097152 bytes, not of 1048576"));
    WalPages good(kBegin);
    good.add_filler(100);
    std::string blocks = good.bytes();
    blocks[37] = 0x40;
    EXPECT_THAT(error_of(blocks), HasSubstr("its pages are of 16384 bytes; only 8192 is read"));
    WalPages switched(kBegin);
    switched.add_switch();
    switched.add_filler(100);
    std::string other_database = switched.bytes();
    other_database[kTestSegment + 24] ^= 1;
    EXPECT_THAT(error_of(other_database),
                HasSubstr("broken at 0/300000: a page of database 7000 after one of 7001"));
}

TEST(WalReaderDamage, EveryMajorIsKnownByItsPages) {
    const std::vector<std::pair<std::uint16_t, int>> majors = {
        {0xD110, 15}, {0xD113, 16}, {0xD116, 17}, {0xD118, 18}};
    for (const auto& [magic, major] : majors) {
        WalPages pages(kBegin, {.magic = magic, .timeline = 3});
        pages.add_filler(100);
        ToldRecords told;
        WalReader reader({.segment_bytes = kTestSegment, .start = kBegin}, told);
        ASSERT_TRUE(reader.feed(as_bytes(pages.bytes())).ok());
        EXPECT_EQ(reader.major(), major);
        EXPECT_EQ(reader.timeline(), 3U);
        EXPECT_EQ(reader.system_id(), 7001U);
    }
}

TEST(WalReaderDamage, PositionsOf64BitsAreTakenAsTheyAre) {
    constexpr std::uint64_t kHigh = std::uint64_t{1} << 63;
    for (const std::uint64_t edge : {std::uint64_t{1} << 32, kHigh, ~std::uint64_t{0} - 0xfffff}) {
        const Lsn begin{edge - 2 * kWalPageBytes};
        WalPages pages(begin, {.previous = Lsn{begin.value - 1000}});
        pages.add_commit(at_second(1));
        pages.add_filler(3 * kWalPageBytes);
        pages.add_commit(at_second(2));
        const Reading reading = read(pages.bytes(), begin);
        ASSERT_TRUE(reading.status.ok()) << reading.status.error().fact;
        ASSERT_THAT(reading.told.lines, SizeIs(2));
        EXPECT_EQ(reading.told.places.back().end, pages.position());
    }
}

TEST(WalReaderDamage, TimesBeyondWhatCanBeSaidAreTheLatest) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kEpoch = 946'684'800'000'000;
    EXPECT_EQ(from_postgres_time(0), CommitTime(std::chrono::microseconds(kEpoch)));
    EXPECT_EQ(from_postgres_time(kMax), CommitTime(std::chrono::microseconds(kMax)));
    EXPECT_EQ(from_postgres_time(-kEpoch), CommitTime());
}

TEST(WalReaderDamage, AReaderNeedsLittleMemoryWhateverTheRecordsSize) {
    EXPECT_LT(sizeof(WalReader), 2 * kKiB);
}

}  // namespace
}  // namespace asb::test
