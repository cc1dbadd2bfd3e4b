#include "store/remote/rfc3339.hpp"

#include <algorithm>
#include <string>

namespace asb::remote {
namespace {

constexpr std::size_t kSecondsLength = 19;  // "2024-01-15T02:00:00"
constexpr std::size_t kFractionDigitsMax = 9;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// ".123456" at the front of `rest`, as exactly three digits; takes it off `rest`.
std::optional<std::string> take_milliseconds(std::string_view& rest) {
    if (rest.empty() || rest.front() != '.') return "000";
    rest.remove_prefix(1);
    const auto digits = static_cast<std::size_t>(
        std::find_if_not(rest.begin(), rest.end(), is_digit) - rest.begin());
    if (digits == 0 || digits > kFractionDigitsMax) return std::nullopt;
    std::string fraction(rest.substr(0, digits));
    rest.remove_prefix(digits);
    fraction.resize(3, '0');
    return fraction;
}

// "Z" or "+01:00": what must be taken off the local time.
std::optional<std::chrono::minutes> parse_offset(std::string_view text) {
    if (text == "Z") return std::chrono::minutes(0);
    constexpr std::size_t kLength = 6;
    if (text.size() != kLength || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return std::nullopt;
    for (const std::size_t at : {1U, 2U, 4U, 5U})
        if (!is_digit(text[at])) return std::nullopt;
    const int hours = (text[1] - '0') * 10 + (text[2] - '0');
    const int minutes = (text[4] - '0') * 10 + (text[5] - '0');
    if (hours > 23 || minutes > 59) return std::nullopt;
    const std::chrono::minutes offset(hours * 60 + minutes);
    return text[0] == '-' ? -offset : offset;
}

}  // namespace

std::optional<Instant> parse_rfc3339(std::string_view text) {
    if (text.size() <= kSecondsLength) return std::nullopt;
    std::string_view rest = text.substr(kSecondsLength);
    const auto milliseconds = take_milliseconds(rest);
    if (!milliseconds) return std::nullopt;
    const auto offset = parse_offset(rest);
    if (!offset) return std::nullopt;
    const auto local =
        parse_iso8601(fmt::format("{}.{}Z", text.substr(0, kSecondsLength), *milliseconds));
    if (!local.ok()) return std::nullopt;
    return *local - *offset;
}

}  // namespace asb::remote
