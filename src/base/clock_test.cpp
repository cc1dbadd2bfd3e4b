#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

using std::chrono::milliseconds;

constexpr Instant kInstant{milliseconds(1'705'284'000'042)};

TEST(Clock, WritesUtcInItsThreeForms) {
    EXPECT_EQ(to_iso8601(kInstant), "2024-01-15T02:00:00.042Z");
    EXPECT_EQ(to_stamp(kInstant), "20240115_020000");
    EXPECT_EQ(to_readable(kInstant), "2024-01-15 02:00:00 UTC");
}

TEST(ParseIso8601, IsTheInverseOfToIso8601) {
    for (const auto instant :
         {kInstant, Instant{}, Instant{milliseconds(1'709'251'199'999)}, Instant{milliseconds(-1)},
          Instant{milliseconds(253'402'300'799'999)}}) {
        const auto parsed = parse_iso8601(to_iso8601(instant));
        ASSERT_TRUE(parsed.ok()) << to_iso8601(instant);
        EXPECT_EQ(*parsed, instant);
    }
}

TEST(ParseIso8601, KnowsLeapYears) {
    EXPECT_TRUE(parse_iso8601("2024-02-29T00:00:00.000Z").ok());
    EXPECT_FALSE(parse_iso8601("2023-02-29T00:00:00.000Z").ok());
}

TEST(ParseIso8601, RefusesEveryOtherForm) {
    for (const auto* text :
         {"", "2024-01-15", "2024-01-15T02:00:00Z", "2024-01-15 02:00:00.000Z",
          "2024-01-15T02:00:00.000+", "2024-13-15T02:00:00.000Z", "2024-00-15T02:00:00.000Z",
          "2024-01-32T02:00:00.000Z", "2024-01-15T24:00:00.000Z", "2024-01-15T02:60:00.000Z",
          "2024-01-15T02:00:60.000Z", "2024-01-15T02:00:00.00xZ", "-024-01-15T02:00:00.000Z"}) {
        const auto parsed = parse_iso8601(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_EQ(parsed.error().code, Code::usage);
        EXPECT_EQ(parsed.error().fact,
                  fmt::format("'{}' is not a time like 2024-01-15T02:00:00.000Z", text));
    }
}

TEST(Clock, TellsTheTimeOfNow) {
    const auto before = std::chrono::system_clock::now();
    const auto instant = now();
    const auto later = std::chrono::system_clock::now();
    EXPECT_GE(instant + milliseconds(1), before);
    EXPECT_LE(instant, later);
}

TEST(Deadline, LiesAsFarAheadAsAsked) {
    const auto before = std::chrono::steady_clock::now();
    const auto deadline = after(milliseconds(1500));
    EXPECT_GE(deadline, before + milliseconds(1500));
    EXPECT_LT(deadline, std::chrono::steady_clock::now() + milliseconds(1501));
}

}  // namespace
}  // namespace asb
