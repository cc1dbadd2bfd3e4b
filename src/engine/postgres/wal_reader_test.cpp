#include "engine/postgres/wal_reader.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "engine/postgres/wal_test_pages.hpp"

namespace asb::test {
namespace {

using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Start = WalReader::Start;

std::string text_of(const std::optional<Lsn>& lsn) {
    return lsn ? to_text(*lsn) : "none";
}

// All that a reader can be asked after it was fed.
struct Outcome {
    std::vector<std::string> lines;
    std::size_t records = 0;
    std::string state;  // of the reader, in words
    std::string error;  // empty: none
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read_in_pieces(std::string_view bytes, const WalReader::Options& options,
                       std::size_t piece_bytes) {
    ToldRecords told;
    WalReader reader(options, told);
    Status status;
    for (std::size_t i = 0; i < bytes.size() && status.ok(); i += piece_bytes)
        status = reader.feed(as_bytes(bytes.substr(i, piece_bytes)));
    if (!status.ok()) {
        EXPECT_EQ(status.error().code, Code::damaged);
        return {told.lines, told.places.size(), "", status.error().fact};
    }
    EXPECT_EQ(reader.position().value, options.start.value + bytes.size());
    return {told.lines, told.places.size(),
            fmt::format("last {} end {} open {} {}", text_of(reader.last_record()),
                        text_of(reader.record_end()), text_of(reader.open_record()),
                        reader.log_ended() ? "ended" : "goes on"),
            ""};
}

constexpr std::array<std::size_t, 7> kPieces = {1, 3, 24, 4096, 8191, 8192, 10'000};

// Reads at once and in pieces of several sizes, which must come to the same.
Outcome read(std::string_view bytes, const WalReader::Options& options) {
    Outcome whole = read_in_pieces(bytes, options, bytes.size() + 1);
    for (const std::size_t piece : kPieces)
        EXPECT_EQ(read_in_pieces(bytes, options, piece).lines, whole.lines) << piece;
    for (const std::size_t piece : kPieces)
        EXPECT_EQ(read_in_pieces(bytes, options, piece), whole) << piece;
    return whole;
}

Outcome read(const WalPages& pages) {
    return read(pages.bytes(),
                {.segment_bytes = pages.options.segment_bytes, .start = pages.begin()});
}

Outcome read_from(const WalPages& pages, Lsn start, Start kind) {
    return read(pages.from(start),
                {.segment_bytes = pages.options.segment_bytes, .start = start, .kind = kind});
}

std::string end_of_recovery(std::uint32_t timeline, std::uint32_t previous) {
    return main_data(postgres_time(at_second(0)) + le(timeline) + le(previous));
}

TEST(WalReader, TellsOfEveryEndOfATransaction) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1, 5));
    pages.add(WalPages::kXact, 0x30, main_data(postgres_time(at_second(2))));
    pages.add_abort(at_second(3));
    pages.add(WalPages::kXact, 0xC0, main_data(postgres_time(at_second(4)) + "more"));
    pages.add(WalPages::kXact, 0x10, main_data("prepared"));
    pages.add(WalPages::kXact, 0x60, main_data("invalidations"));
    EXPECT_THAT(read(pages).lines,
                ElementsAre("commit 0/200028 to 0/200050 at 2024-01-15T00:00:01.000005Z",
                            "commit prepared 0/200050 to 0/200078 at 2024-01-15T00:00:02.000000Z",
                            "abort 0/200078 to 0/2000A0 at 2024-01-15T00:00:03.000000Z",
                            "abort prepared 0/2000A0 to 0/2000C8 at 2024-01-15T00:00:04.000000Z"));
    EXPECT_EQ(read(pages).state, "last 0/2000F0 end 0/200118 open none goes on");
    EXPECT_EQ(read(pages).records, 6U);
}

TEST(WalReader, TellsOfRestorePointsAndTimelines) {
    WalPages pages(kBegin);
    pages.add_restore_point("before migration", at_second(1));
    pages.add_restore_point(std::string(64, 'n'), at_second(2));  // as no server writes it
    pages.add(WalPages::kXlog, 0x90, end_of_recovery(2, 1));
    pages.add(WalPages::kXlog, 0x00, end_of_recovery(3, 2) + "");
    pages.add(WalPages::kXlog, 0x00, end_of_recovery(3, 3));  // an ordinary shutdown
    pages.add(WalPages::kXlog, 0x10,
              end_of_recovery(9, 8));  // an online checkpoint never changes it
    EXPECT_THAT(read(pages).lines,
                ElementsAre("restore point 0/200028 to 0/200090 at 2024-01-15T00:00:01.000000Z "
                            "before migration",
                            "restore point 0/200090 to 0/2000F8 at 2024-01-15T00:00:02.000000Z " +
                                std::string(64, 'n'),
                            "timeline change 0/2000F8 to 0/200128 from 1 to 2",
                            "timeline change 0/200128 to 0/200158 from 2 to 3"));
}

std::string parameters(std::uint32_t level) {
    std::string five_others;
    for (const std::uint32_t value : {100U, 8U, 10U, 0U, 64U}) five_others += le(value);
    return main_data(five_others + le(level) + le(std::uint32_t{0}));
}

TEST(WalReader, TellsWhereTheServerBeganToLogTooLittle) {
    WalPages pages(kBegin);
    pages.add(WalPages::kXlog, 0x60, parameters(1));
    pages.add(WalPages::kXlog, 0x60, parameters(0));
    pages.add(WalPages::kXlog, 0x60, parameters(2));
    EXPECT_THAT(read(pages).lines, ElementsAre("minimal level 0/200060 to 0/200098"));
}

TEST(WalReader, FindsTheMainDataBehindEveryOtherHeader) {
    const std::string image = "\x00\x10"s +
                              le(std::uint16_t{4}) +  // block 0: image, 4 bytes of data
                              le(std::uint16_t{6}) + le(std::uint16_t{0}) + "\x05" +
                              le(std::uint16_t{100}) + std::string(12 + 4, 'r');
    const std::string same = "\x01\x80"s + le(std::uint16_t{0}) + std::string(4, 'b');
    const std::string plain_hole = "\x02\x90"s + le(std::uint16_t{0}) + le(std::uint16_t{2}) +
                                   le(std::uint16_t{8}) + "\x01" + std::string(4, 'b');
    const std::string origin = "\xfd" + le(std::uint16_t{7});
    const std::string top_level = "\xfc" + le(std::uint32_t{730});
    const std::string main =
        "\xff\x08"s + std::string(6 + 2 + 4, 'd') + postgres_time(at_second(9));
    WalPages pages(kBegin);
    pages.add(WalPages::kXact, 0x00, image + same + plain_hole + origin + top_level + main);
    pages.add(WalPages::kXact, 0x80, "\xfe" + le(std::uint32_t{8}) + postgres_time(at_second(10)));
    const Outcome outcome = read(pages);
    ASSERT_EQ(outcome.error, "");
    ASSERT_THAT(outcome.lines, SizeIs(2));
    EXPECT_THAT(outcome.lines[0], HasSubstr("00:00:09"));
    EXPECT_THAT(outcome.lines[1], HasSubstr("00:00:10"));
}

TEST(WalReader, ACommitThatIsNotBuiltAsOneIsDamage) {
    for (const std::string& body :
         {""s, main_data("1234567"), "\xff\x09"s + "12345678", "\xff\x08"s + "123456789",
          "\xfa"s + "12345678", "\x00\x00"s, "\xff"s}) {
        WalPages pages(kBegin);
        pages.add(WalPages::kXact, 0x00, body);
        EXPECT_THAT(read(pages).error, HasSubstr("broken at 0/200028: a record of resource "
                                                 "manager 1 with info 00 is not built"));
    }
}

TEST(WalReader, RecordsGoOnOverPagesAndSegments) {
    WalPages pages(kBegin);
    pages.add_filler(5000);
    pages.add_commit(at_second(1), std::string(5000, 's'));  // two pages
    pages.add_filler(50'000);
    pages.add_commit(at_second(2), std::string(2 * kTestSegment, 's'));  // four segments
    const WalPlace last = pages.add_commit(at_second(3));
    const Outcome outcome = read(pages);
    ASSERT_EQ(outcome.error, "");
    EXPECT_THAT(outcome.lines, SizeIs(3));
    EXPECT_THAT(outcome.lines[1], HasSubstr("at 2024-01-15T00:00:02"));
    EXPECT_EQ(outcome.state, fmt::format("last {} end {} open none goes on", to_text(last.start),
                                         to_text(last.end)));
}

TEST(WalReader, ARecordsHeaderMayBeSplitByAPageOrASegment) {
    for (const Lsn boundary : {Lsn{kBegin.value + kWalPageBytes}, Lsn{kBegin.value + kTestSegment}})
        for (const std::uint64_t before : {8U, 16U, 24U, 32U, 40U}) {
            WalPages pages(kBegin);
            pages.fill_to(Lsn{boundary.value - before});
            const WalPlace place = pages.add_commit(at_second(1));
            pages.add_commit(at_second(2));
            const Outcome outcome = read(pages);
            EXPECT_EQ(outcome.error, "") << before;
            ASSERT_THAT(outcome.lines, SizeIs(2)) << before;
            EXPECT_THAT(outcome.lines[0],
                        HasSubstr(fmt::format("commit {} to {} ", to_text(place.start),
                                              to_text(place.end))));
        }
}

// A record of 24 bytes is nothing but its header.
TEST(WalReader, ARecordWithoutABodyIsCompleteWithItsHeader) {
    WalPages pages(kBegin);
    pages.fill_to(Lsn{kBegin.value + kWalPageBytes - 24});
    pages.add_filler(24);
    EXPECT_EQ(read(pages).state, "last 0/201FE8 end 0/202000 open none goes on");
    pages.fill_to(Lsn{kBegin.value + 2 * kWalPageBytes - 8});
    pages.add_filler(24);
    EXPECT_EQ(read(pages).state, "last 0/203FF8 end 0/204028 open none goes on");
}

TEST(WalReader, StartsWhereARecordBegins) {
    WalPages pages(kBegin);
    pages.fill_to(Lsn{kBegin.value + 3 * kWalPageBytes});
    const WalPlace first = pages.add_commit(at_second(1), "pad");
    const WalPlace second = pages.add_commit(at_second(2));
    pages.fill_to(Lsn{kBegin.value + kTestSegment});
    pages.add_commit(at_second(3));
    EXPECT_EQ(first.start.value, kBegin.value + 3 * kWalPageBytes + kWalShortHeaderBytes);
    const Lsn page{kBegin.value + 3 * kWalPageBytes};
    EXPECT_THAT(read_from(pages, page, Start::at_record).lines, SizeIs(3));
    EXPECT_THAT(read_from(pages, first.start, Start::at_record).lines, SizeIs(3));
    const Lsn in_padding{first.end.value - 3};
    EXPECT_THAT(read_from(pages, in_padding, Start::at_record).lines, SizeIs(2));
    EXPECT_THAT(read_from(pages, second.start, Start::at_record).lines, SizeIs(2));
    const Lsn segment{kBegin.value + kTestSegment};
    EXPECT_THAT(read_from(pages, segment, Start::at_record).lines, SizeIs(1));
    EXPECT_THAT(read_from(pages, Lsn{segment.value + 40}, Start::at_record).lines, SizeIs(1));
}

TEST(WalReader, NoRecordBeginsWithinAPageHeaderOrWhereOneGoesOn) {
    WalPages pages(kBegin);
    pages.add_filler(10'000);
    pages.add_commit(at_second(1));
    for (const std::uint64_t offset : {8U, 16U, 32U})
        EXPECT_THAT(read_from(pages, Lsn{kBegin.value + offset}, Start::at_record).error,
                    HasSubstr("no record can begin within a page's header"));
    EXPECT_THAT(
        read_from(pages, Lsn{kBegin.value + kWalPageBytes}, Start::at_record).error,
        HasSubstr("broken at 0/202000: 0 bytes of a record should go on here, and not 1848"));
}

TEST(WalReader, StartsAnywhereByLookingForTheNextPage) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1));
    const WalPlace large = pages.add_filler(30'000);
    const WalPlace commit = pages.add_commit(at_second(2));
    const auto lines_from = [&](std::uint64_t at) {
        return read_from(pages, Lsn{at}, Start::anywhere).lines.size();
    };
    EXPECT_EQ(lines_from(kBegin.value), 2U);
    for (std::uint64_t at = kBegin.value + 1; at < kBegin.value + 3 * kWalPageBytes; at += 501)
        EXPECT_EQ(lines_from(at), 1U) << at;
    EXPECT_EQ(lines_from(kBegin.value + 3 * kWalPageBytes), 1U);
    EXPECT_EQ(lines_from(kBegin.value + 3 * kWalPageBytes + 1), 0U);
    const Lsn middle{kBegin.value + kWalPageBytes + 500};
    const auto short_of =
        read(pages.from(middle).substr(0, kWalPageBytes), {kTestSegment, middle, Start::anywhere});
    EXPECT_EQ(short_of.state, "last none end none open none goes on");
    const auto at_end = read(pages.from(middle).substr(0, large.end.value - middle.value),
                             {kTestSegment, middle, Start::anywhere});
    EXPECT_EQ(at_end.state,
              fmt::format("last none end {} open none goes on", to_text(commit.start)));
}

TEST(WalReader, AfterASwitchNothingMattersUntilTheNextSegment) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1));
    const Lsn at = pages.add(WalPages::kXlog, 0x40, "").start;
    EXPECT_EQ(read(pages).state,
              fmt::format("last {} end 0/300000 open none goes on", to_text(at)));
    pages.add_bytes(std::string(kBegin.value + kTestSegment - pages.position().value, '?'));
    pages.add_commit(at_second(2));
    const Outcome outcome = read(pages);
    EXPECT_THAT(outcome.lines,
                ElementsAre("commit 0/200028 to 0/200050 at 2024-01-15T00:00:01.000000Z",
                            "switch 0/200050 to 0/300000",
                            "commit 0/300028 to 0/300050 at 2024-01-15T00:00:02.000000Z"));
}

TEST(WalReader, AStartInWhatASwitchLeftBehindGoesOnAtTheNextSegment) {
    WalPages pages(kBegin);
    pages.add_switch();
    pages.add_commit(at_second(2));
    for (const std::uint64_t offset : {std::uint64_t{70}, kWalPageBytes, 2 * kWalPageBytes + 1}) {
        const Outcome outcome = read_from(pages, Lsn{kBegin.value + offset}, Start::anywhere);
        EXPECT_EQ(outcome.error, "");
        EXPECT_THAT(outcome.lines, SizeIs(1)) << offset;
    }
}

TEST(WalReader, ASwitchMayEndItsSegmentExactly) {
    WalPages pages(kBegin);
    pages.fill_to(Lsn{kBegin.value + kTestSegment - 24});
    pages.add_switch();
    pages.add_switch();
    pages.add_commit(at_second(2));
    EXPECT_THAT(read(pages).lines,
                ElementsAre("switch 0/2FFFE8 to 0/300000", "switch 0/300028 to 0/400000",
                            "commit 0/400028 to 0/400050 at 2024-01-15T00:00:02.000000Z"));
}

TEST(WalReader, ZerosWhereARecordShouldBeginAreTheEndOfTheLog) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1));
    pages.add_zeros(3 * kTestSegment);
    EXPECT_EQ(read(pages).state, "last 0/200028 end 0/200050 open none ended");
    pages.add_bytes("x");
    EXPECT_THAT(read(pages).error,
                HasSubstr("broken at 0/500050: the log ended at 0/200050, and yet"));
}

TEST(WalReader, ZerosWhereAPageShouldBeginAreTheEndOfTheLog) {
    WalPages pages(kBegin);
    pages.fill_to(Lsn{kBegin.value + kWalPageBytes});
    pages.add_zeros(kWalPageBytes);
    EXPECT_EQ(read(pages).state, "last 0/201F68 end 0/202000 open none ended");
    const Lsn page{kBegin.value + kWalPageBytes};
    EXPECT_EQ(read_from(pages, page, Start::at_record).state,
              "last none end 0/202000 open none ended");
}

TEST(WalReader, ZerosWithinARecordAreDamage) {
    WalPages within(kBegin);
    within.add_until(WalPages::kHeap, 0, std::string(1000, 'x'), 500);
    within.add_zeros(kWalPageBytes);
    EXPECT_THAT(read(within).error, HasSubstr("broken at 0/200028: a record's checksum is wrong"));
    WalPages at_page(kBegin);
    at_page.add_until(WalPages::kHeap, 0, std::string(20'000, 'x'), kWalPageBytes - 40);
    at_page.add_zeros(kWalPageBytes);
    EXPECT_THAT(read(at_page).error, HasSubstr("broken at 0/202000: no page of PostgreSQL"));
}

TEST(WalReader, ARecordThatACrashCutIsGivenUpWhereTheServerSaysSo) {
    WalPages pages(kBegin);
    pages.add_commit(at_second(1));
    pages.add_until(WalPages::kHeap, 0, std::string(30'000, 'x'),
                    2 * kWalPageBytes - 80 - kWalShortHeaderBytes);
    ASSERT_EQ(pages.position().value, kBegin.value + 2 * kWalPageBytes);
    const Outcome before = read(pages);
    EXPECT_EQ(before.state, "last 0/200028 end 0/200050 open 0/200050 goes on");
    pages.next_page_overwrites();
    pages.add(WalPages::kXlog, 0xD0, main_data("overwritten at"));
    pages.add_commit(at_second(2));
    const Outcome outcome = read(pages);
    EXPECT_EQ(outcome.error, "");
    EXPECT_THAT(outcome.lines, SizeIs(2));
    EXPECT_EQ(outcome.records, 3U);
    const Lsn middle{kBegin.value + 100};
    EXPECT_THAT(read_from(pages, middle, Start::anywhere).lines, SizeIs(1));
}

}  // namespace
}  // namespace asb::test
