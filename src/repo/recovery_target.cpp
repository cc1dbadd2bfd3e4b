#include "repo/recovery_target.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace asb {
namespace {

using std::chrono::microseconds;
using std::chrono::minutes;

constexpr std::size_t kFractionDigitsMax = 6;  // databases keep microseconds
constexpr std::size_t kShownBytesMax = 80;
constexpr std::string_view kDateAndTime = "dddd-dd-ddTdd:dd:dd";
constexpr std::string_view kDateAndTimeWithSpace = "dddd-dd-dd dd:dd:dd";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Whether `text` is `shape`, in which 'd' is any digit.
bool has_shape(std::string_view text, std::string_view shape) {
    return std::equal(text.begin(), text.end(), shape.begin(), shape.end(),
                      [](char c, char s) { return s == 'd' ? is_digit(c) : c == s; });
}

// The digits of [at, at + count), which are digits.
int number(std::string_view text, std::size_t at, std::size_t count) {
    int value = 0;
    for (const char c : text.substr(at, count)) value = value * 10 + (c - '0');
    return value;
}

Error bad_time(std::string_view text, std::string_view why, std::string hint = {}) {
    if (hint.empty())
        hint =
            "write 2024-01-15T14:30:00Z for UTC, or 2024-01-15T14:30:00+02:00 with the offset from "
            "UTC that was in force at that moment";
    return with_hint(fail(Code::usage, "'{}' is not an instant: {}",
                          printable(text.substr(0, kShownBytesMax)), why),
                     std::move(hint));
}

Error without_zone(std::string_view text, std::string_view local) {
    return bad_time(
        text, "it has no zone",
        fmt::format("write {0}Z for UTC, or {0}+02:00 with the offset from UTC that was in force "
                    "at that moment; where clocks go back in autumn, a local time alone means two",
                    printable(local)));
}

// Takes the text of an instant apart from the left.
class InstantReader {
  public:
    explicit InstantReader(std::string_view text) : text_(text), rest_(text) {}

    Result<CommitTime> read() {
        ASB_TRY(const auto whole, date_and_time());
        ASB_TRY(const auto part, fraction());
        ASB_TRY(const auto east_of_utc, zone());
        return CommitTime(whole) + part - east_of_utc;
    }

  private:
    Result<std::chrono::sys_seconds> date_and_time() {
        std::string local(rest_.substr(0, kDateAndTime.size()));
        std::replace(local.begin(), local.end(), 't', 'T');
        if (!has_shape(local, kDateAndTime) && !has_shape(local, kDateAndTimeWithSpace))
            return bad_time(text_, "it does not begin with a date and a time of day");
        rest_.remove_prefix(local.size());
        const std::chrono::year_month_day date{
            std::chrono::year{number(local, 0, 4)},
            std::chrono::month{static_cast<unsigned>(number(local, 5, 2))},
            std::chrono::day{static_cast<unsigned>(number(local, 8, 2))}};
        if (!date.ok() || number(local, 0, 4) == 0)
            return bad_time(text_, fmt::format("the calendar has no {}", local.substr(0, 10)));
        const int hour = number(local, 11, 2);
        const int minute = number(local, 14, 2);
        const int second = number(local, 17, 2);
        if (second == 60)
            return bad_time(text_, "databases know no leap second",
                            "take second 59, or second 00 of the next minute");
        if (hour > 23 || minute > 59 || second > 59)
            return bad_time(text_, fmt::format("no day has the time {}", local.substr(11)));
        return std::chrono::sys_days{date} + std::chrono::hours{hour} + minutes{minute} +
               std::chrono::seconds{second};
    }

    Result<microseconds> fraction() {
        if (!rest_.starts_with('.')) return microseconds{0};
        std::size_t count = 0;
        while (count + 1 < rest_.size() && is_digit(rest_[count + 1])) ++count;
        if (count == 0 || count > kFractionDigitsMax)
            return bad_time(text_, "a second has one to six digits after its point");
        int value = number(rest_, 1, count);
        for (auto digits = count; digits < kFractionDigitsMax; ++digits) value *= 10;
        rest_.remove_prefix(count + 1);
        return microseconds{value};
    }

    Result<minutes> zone() {
        if (rest_.empty()) return without_zone(text_, text_);
        if (rest_ == "Z" || rest_ == "z") return minutes{0};
        const bool is_east = rest_.front() == '+';
        const auto offset = rest_.substr(1);
        if ((!is_east && rest_.front() != '-') || !has_shape(offset, "dd:dd"))
            return bad_time(text_, fmt::format("'{}' is not a zone", printable(rest_)));
        if (number(offset, 0, 2) > 23 || number(offset, 3, 2) > 59)
            return bad_time(text_, fmt::format("no zone is {} from UTC", rest_));
        const minutes value{number(offset, 0, 2) * 60 + number(offset, 3, 2)};
        return is_east ? value : -value;
    }

    std::string_view text_;
    std::string_view rest_;
};

std::optional<std::uint32_t> parse_u32(std::string_view text) {
    const auto value = parse_u64(text);
    if (!value || *value > ~std::uint32_t{0}) return std::nullopt;
    return static_cast<std::uint32_t>(*value);
}

Result<LogTarget> time_target(const std::string& text) {
    LogTarget target;
    target.text = text;
    if (text == "latest") return target;
    target.kind = LogTarget::Kind::time;
    ASB_TRY(target.time, parse_target_time(text));
    return target;
}

Result<LogTarget> one_target(const TargetWords& words, const ParsePosition& parse_position) {
    if (!words.time.empty()) return time_target(words.time);
    LogTarget target;
    if (!words.position.empty()) {
        target.kind = LogTarget::Kind::position;
        target.text = words.position;
        ASB_TRY(target.position, parse_position(words.position));
    } else if (!words.oplog_limit.empty()) {
        target.kind = LogTarget::Kind::limit;
        target.text = words.oplog_limit;
        ASB_TRY(target.position, parse_oplog_limit(words.oplog_limit));
    } else {
        target.kind = LogTarget::Kind::name;
        target.text = target.name = words.name;
    }
    return target;
}

}  // namespace

Result<CommitTime> parse_target_time(std::string_view text) {
    return InstantReader(text).read();
}

Result<LogPoint> parse_oplog_limit(std::string_view text) {
    const auto colon = text.find(':');
    const auto seconds = parse_u32(text.substr(0, colon));
    const auto ordinal = colon == std::string_view::npos || colon + 1 == text.size()
                             ? std::optional<std::uint32_t>(0)
                             : parse_u32(text.substr(colon + 1));
    if (!seconds || !ordinal || (*seconds == 0 && *ordinal == 0))
        return with_hint(
            fail(Code::usage, "'{}' is not a place in the oplog",
                 printable(text.substr(0, kShownBytesMax))),
            "seconds since 1970 and, within the second, the ordinal of the first entry to leave "
            "out, as in --oplog-limit 1705329000:1");
    return LogPoint{.line = 0, .at = std::uint64_t{*seconds} << 32 | *ordinal};
}

Result<LogTarget> parse_target(const TargetWords& words, const ParsePosition& parse_position) {
    const int said =
        static_cast<int>(!words.time.empty()) + static_cast<int>(!words.position.empty()) +
        static_cast<int>(!words.name.empty()) + static_cast<int>(!words.oplog_limit.empty());
    if (said != 1)
        return with_hint(
            fail(Code::usage, "{} says where to stop",
                 said == 0 ? "nothing" : "more than one option"),
            "give one of a time (or latest), --target-position, --target-name and --oplog-limit");
    return one_target(words, parse_position);
}

}  // namespace asb
