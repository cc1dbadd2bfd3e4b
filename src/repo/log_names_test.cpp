#include "repo/log_names.hpp"

#include <gtest/gtest.h>

#include <string>

namespace asb {
namespace {

CommitTime at_us(std::int64_t microseconds) {
    return CommitTime(std::chrono::microseconds(microseconds));
}

LogObject example() {
    return {.range = {.line = 2, .start = 0x2000028, .end = 0x3000000},
            .newest_commit = at_us(1705329000123456),
            .covered_until = at_us(1705329000200000),
            .day = 20240115,
            .compressed = true,
            .encrypted = true};
}

constexpr const char* kExample =
    "log/9f3a_1/20240115/00000002-0000000002000028-0000000003000000-00060EFCD9470C40-"
    "00060EFCD9483740.log.gz.enc";

TEST(LogNames, AreTheOnesOfTheFormat) {
    EXPECT_EQ(log_object_key("9f3a_1", example()).text(), kExample);
    EXPECT_EQ(log_history_key("9f3a_1", 10).text(), "log/9f3a_1/0000000A.history");
    EXPECT_EQ(log_record_key("9f3a_1").text(), "log/9f3a_1/log.json");
}

TEST(LogNames, AreReadBackAsTheyWereWritten) {
    LogObject object = example();
    for (const bool compressed : {true, false})
        for (const bool encrypted : {true, false}) {
            object.compressed = compressed;
            object.encrypted = encrypted;
            const auto key = log_object_key("a", object);
            const auto name = parse_log_name(key.text());
            ASSERT_TRUE(name);
            EXPECT_EQ(name->object, object);
            EXPECT_EQ(name->log_id, "a");
        }
    object.newest_commit.reset();
    EXPECT_EQ(parse_log_name(log_object_key("a", object).text())->object, object);
    EXPECT_EQ(parse_log_name("log/a/0000000A.history")->line, 10U);
    EXPECT_EQ(parse_log_name("log/a/log.json")->kind, LogName::Kind::record);
}

TEST(LogNames, HoldTheGreatestNumbersThereAre) {
    LogObject object = example();
    object.range = {.line = ~0U, .start = ~0ULL, .end = ~0ULL};
    object.newest_commit = CommitTime::max();
    object.covered_until = CommitTime::max();
    object.day = 99991231;
    EXPECT_EQ(parse_log_name(log_object_key("a", object).text())->object, object);
}

TEST(LogNames, TakeAClockOfBefore1970ForOneOf1970) {
    LogObject object = example();
    object.newest_commit = at_us(-5);
    object.covered_until = at_us(-5);
    const auto name = parse_log_name(log_object_key("a", object).text());
    ASSERT_TRUE(name);
    EXPECT_EQ(name->object.newest_commit, at_us(1));  // it has commits all the same
    EXPECT_EQ(name->object.covered_until, at_us(0));
}

TEST(LogNames, DayIsThatOfUtc) {
    EXPECT_EQ(day_of(at_us(1705363199999999)), 20240115U);
    EXPECT_EQ(day_of(at_us(1705363200000000)), 20240116U);
    EXPECT_EQ(day_of(at_us(1709164800000000)), 20240229U);
}

std::string changed(std::string_view from, std::string_view to) {
    std::string text = kExample;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

struct Change {
    const char* from;
    const char* to;
};

TEST(LogNames, ThatDifferALittleAreNone) {
    ASSERT_TRUE(parse_log_name(kExample));
    for (const auto& change : {
             Change{"20240115", "20240230"},
             Change{"20240115", "20231301"},
             Change{"20240115", "2024011"},
             Change{"20240115", "+2024011"},
             Change{"20240115/", ""},
             Change{"20240115", "20240115/x"},
             Change{"/20240115", "//20240115"},
             Change{"00000002-", "0000002-"},
             Change{"0000000002000028", "000000000200002g"},
             Change{"00060EFCD9470C40", "00060efc21a78a40"},
             Change{"00060EFCD9470C40", "8000000000000000"},
             Change{"00060EFCD9483740", "FFFFFFFFFFFFFFFF"},
             Change{"0000000003000000", "0000000002000027"},
             Change{".log.gz.enc", ".log.enc.gz"},
             Change{".log.gz.enc", ""},
             Change{".log.gz.enc", ".log.gz.enc2"},
             Change{".log.gz.enc", ".log.gz.enc/"},
             Change{".log.gz.enc", ".log.GZ"},
             Change{"9f3a_1", "9F3A"},
             Change{"9f3a_1", ""},
             Change{"9f3a_1", "a23456789b123456789c123456789d123456789e1"},
             Change{"log/", "Log/"},
             Change{"log/", ""},
             Change{"-00060EFCD9470C40-", "_00060EFCD9470C40-"},
         })
        EXPECT_FALSE(parse_log_name(changed(change.from, change.to)))
            << change.from << " " << change.to;
}

TEST(LogNames, OfOtherThingsAreNone) {
    for (const char* text : {"", "log/", "log/a/", "log/a/0000000A.histor",
                             "log/a/0000000a.history", "log/a/0000000A.history2",
                             "log/a/b/0000000A.history", "log/a/log.json2", "log/a/b/log.json"})
        EXPECT_FALSE(parse_log_name(text)) << text;
}

TEST(LogNamesDeathTest, EndTheProcessForWhatNoNameCanHave) {
    LogObject object = example();
    object.day = 20230229;
    EXPECT_DEATH(log_object_key("a", object), "assertion failed");
    object = example();
    object.range.end = object.range.start - 1;
    EXPECT_DEATH(log_object_key("a", object), "assertion failed");
    EXPECT_DEATH(log_object_key("A", example()), "assertion failed");
}

}  // namespace
}  // namespace asb
