#include "repo/recovery_target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace asb {
namespace {

using testing::HasSubstr;

std::string told(std::string_view text) {
    const auto time = parse_target_time(text);
    return time ? to_iso8601_us(*time) : to_text(time.error());
}

Result<LogPoint> no_position(std::string_view /*text*/) {
    return fail(Code::usage, "no position");
}

TEST(TargetTime, IsReadWithItsZone) {
    EXPECT_EQ(told("2024-01-15T14:30:00Z"), "2024-01-15T14:30:00.000000Z");
    EXPECT_EQ(told("2024-01-15t14:30:00z"), "2024-01-15T14:30:00.000000Z");
    EXPECT_EQ(told("2024-01-15 14:30:00+02:00"), "2024-01-15T12:30:00.000000Z");
    EXPECT_EQ(told("2024-01-15T14:30:00-09:30"), "2024-01-16T00:00:00.000000Z");
    EXPECT_EQ(told("2024-01-15T14:30:00-00:00"), "2024-01-15T14:30:00.000000Z");
    EXPECT_EQ(told("2024-12-31T23:59:59.999999-23:59"), "2025-01-01T23:58:59.999999Z");
}

TEST(TargetTime, HasFractionsUpToMicroseconds) {
    EXPECT_EQ(told("2024-01-15T14:30:00.5Z"), "2024-01-15T14:30:00.500000Z");
    EXPECT_EQ(told("2024-01-15T14:30:00.000001+00:00"), "2024-01-15T14:30:00.000001Z");
    for (const char* text :
         {"2024-01-15T14:30:00.Z", "2024-01-15T14:30:00.1234567Z", "2024-01-15T14:30:00,5Z"})
        EXPECT_FALSE(parse_target_time(text).ok()) << text;
}

TEST(TargetTime, NeedsItsZoneAndShowsTheTwoWaysToWriteIt) {
    EXPECT_EQ(told("2024-01-15 14:30:00"),
              "'2024-01-15 14:30:00' is not an instant: it has no zone\n"
              "hint: write 2024-01-15 14:30:00Z for UTC, or 2024-01-15 14:30:00+02:00 with the "
              "offset from UTC that was in force at that moment; where clocks go back in autumn, a "
              "local time alone means two");
    EXPECT_THAT(told("2024-01-15T14:30:00.25"), HasSubstr("write 2024-01-15T14:30:00.25Z"));
}

TEST(TargetTime, TakesNoOtherNameOfAZone) {
    for (const char* text :
         {"2024-01-15T14:30:00 CET", "2024-01-15T14:30:00UTC", "2024-01-15T14:30:00+02",
          "2024-01-15T14:30:00+0200", "2024-01-15T14:30:00 +02:00", "2024-01-15T14:30:00+02:00x",
          "2024-01-15T14:30:00+24:00", "2024-01-15T14:30:00+01:60", "2024-01-15T14:30:00Z\n"})
        EXPECT_THAT(told(text), HasSubstr("zone")) << text;
    EXPECT_THAT(told("2024-01-15T14:30:00Z\n"), HasSubstr("\\x0a"));
}

// An hour that clocks go through twice, told apart by its offset (Europe, 27 October 2024).
TEST(TargetTime, TellsTheTwoHoursOfAnAutumnNightApart) {
    EXPECT_EQ(told("2024-10-27T02:30:00+02:00"), "2024-10-27T00:30:00.000000Z");
    EXPECT_EQ(told("2024-10-27T02:30:00+01:00"), "2024-10-27T01:30:00.000000Z");
}

// An hour that clocks leave out in spring (Europe, 31 March 2024): nobody's watch showed it, but
// with an offset it is an instant like any other.
TEST(TargetTime, TakesAnHourThatClocksLeaveOutAtItsOffset) {
    EXPECT_EQ(told("2024-03-31T02:30:00+01:00"), "2024-03-31T01:30:00.000000Z");
    EXPECT_EQ(told("2024-03-31T02:30:00+02:00"), "2024-03-31T00:30:00.000000Z");
    EXPECT_EQ(told("2024-03-31T03:30:00+02:00"), "2024-03-31T01:30:00.000000Z");
}

TEST(TargetTime, KnowsTheZonesAtTheEdgesOfTheWorld) {
    EXPECT_EQ(told("2024-03-01T00:00:00+14:00"), "2024-02-29T10:00:00.000000Z");  // Kiritimati
    EXPECT_EQ(told("2023-12-31T12:00:00-12:00"), "2024-01-01T00:00:00.000000Z");  // Baker Island
    EXPECT_EQ(told("2024-01-15T14:30:00+05:45"), "2024-01-15T08:45:00.000000Z");  // Nepal
    EXPECT_EQ(told("2024-12-31T23:30:00-03:30"), "2025-01-01T03:00:00.000000Z");  // Newfoundland
}

TEST(TargetTime, KnowsWhichYearsAreLeapYears) {
    EXPECT_EQ(told("2028-02-29T23:59:59.999999Z"), "2028-02-29T23:59:59.999999Z");
    EXPECT_EQ(told("2028-02-29T23:59:59.999999-00:01"), "2028-03-01T00:00:59.999999Z");
    EXPECT_EQ(told("2027-02-28T23:30:00-01:00"), "2027-03-01T00:30:00.000000Z");
    EXPECT_EQ(told("2028-03-01T00:30:00+01:00"), "2028-02-29T23:30:00.000000Z");
    for (const char* text : {"2100-02-29T00:00:00Z", "2027-02-29T00:00:00+01:00"})
        EXPECT_THAT(told(text), HasSubstr("the calendar has no")) << text;
}

TEST(TargetTime, KnowsTheCalendar) {
    EXPECT_EQ(told("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00.000000Z");
    EXPECT_EQ(told("2000-02-29T12:00:00+12:00"), "2000-02-29T00:00:00.000000Z");
    EXPECT_EQ(told("2024-02-29T23:30:00-01:00"), "2024-03-01T00:30:00.000000Z");
    for (const char* text : {"2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-04-31T00:00:00Z",
                             "2024-00-10T00:00:00Z", "2024-13-10T00:00:00Z", "2024-01-00T00:00:00Z",
                             "0000-01-01T00:00:00Z"})
        EXPECT_THAT(told(text), HasSubstr("the calendar has no")) << text;
}

TEST(TargetTime, HasNoLeapSecondAndNoHour24) {
    EXPECT_THAT(told("2016-12-31T23:59:60Z"), HasSubstr("databases know no leap second"));
    for (const char* text :
         {"2024-01-15T24:00:00Z", "2024-01-15T14:60:00Z", "2024-01-15T14:30:61Z"})
        EXPECT_THAT(told(text), HasSubstr("no day has the time")) << text;
}

TEST(TargetTime, IsNothingElse) {
    for (const char* text : {"", "now", "yesterday", "2024-01-15", "2024-01-15T14:30Z",
                             "20240115T143000Z", "14:30:00Z", "2024-1-15T14:30:00Z",
                             "+2024-01-15T14:30:00Z", "2024-01-15_14:30:00Z", "1705329000"}) {
        const auto time = parse_target_time(text);
        ASSERT_FALSE(time.ok()) << text;
        EXPECT_EQ(time.error().code, Code::usage);
        EXPECT_THAT(time.error().hint, HasSubstr("2024-01-15T14:30:00+02:00"));
    }
}

TEST(OplogLimit, IsWhatMongorestoreTakes) {
    EXPECT_EQ(parse_oplog_limit("1705329000:7")->at, 1705329000ULL << 32 | 7);
    EXPECT_EQ(parse_oplog_limit("1705329000")->at, 1705329000ULL << 32);
    EXPECT_EQ(parse_oplog_limit("1705329000:")->at, 1705329000ULL << 32);
    EXPECT_EQ(parse_oplog_limit("4294967295:4294967295")->at, ~std::uint64_t{0});
    for (const char* text : {"", ":", ":1", "0", "0:0", "1:2:3", "4294967296:1", "1:4294967296",
                             "-1:1", "1.5", "0x10:1", " 1:1"})
        EXPECT_FALSE(parse_oplog_limit(text).ok()) << text;
}

TEST(Target, IsExactlyOne) {
    EXPECT_EQ(parse_target({}, no_position).error().fact, "nothing says where to stop");
    TargetWords two;
    two.time = "latest";
    two.name = "before_the_release";
    EXPECT_EQ(parse_target(two, no_position).error().fact,
              "more than one option says where to stop");
}

TEST(Target, IsATimeOrLatestOrAPositionOrANameOrALimit) {
    TargetWords words;
    words.time = "2024-01-15T14:30:00Z";
    EXPECT_EQ(parse_target(words, no_position)->kind, LogTarget::Kind::time);
    words = {};
    words.time = "latest";
    EXPECT_EQ(parse_target(words, no_position)->kind, LogTarget::Kind::latest);
    words = {};
    words.name = "before_the_release";
    EXPECT_EQ(parse_target(words, no_position)->name, "before_the_release");
    words = {};
    words.oplog_limit = "7:1";
    EXPECT_EQ(parse_target(words, no_position)->kind, LogTarget::Kind::limit);
    words = {};
    words.position = "0/28";
    EXPECT_EQ(parse_target(words, no_position).error().fact, "no position");
    const auto target = parse_target(
        words, [](std::string_view) -> Result<LogPoint> { return LogPoint{.line = 0, .at = 40}; });
    EXPECT_EQ(target->kind, LogTarget::Kind::position);
    EXPECT_EQ(target->position.at, 40U);
    EXPECT_EQ(target->text, "0/28");
}

}  // namespace
}  // namespace asb
