#include "engine/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/clock.hpp"

namespace asb {
namespace {

template <typename T>
std::optional<T> parse_hex(std::string_view text) {
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    if (text.size() != 2 * sizeof(T) || !std::all_of(text.begin(), text.end(), is_digit))
        return std::nullopt;
    T value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
}

}  // namespace

std::string line_text(std::uint32_t line) {
    return fmt::format("{:08X}", line);
}

std::string point_text(std::uint64_t at) {
    return fmt::format("{:016X}", at);
}

std::optional<std::uint32_t> parse_line(std::string_view text) {
    return parse_hex<std::uint32_t>(text);
}

std::optional<std::uint64_t> parse_point(std::string_view text) {
    return parse_hex<std::uint64_t>(text);
}

std::string to_iso8601_us(CommitTime time) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const auto text = to_iso8601(Instant(whole));
    return fmt::format("{}.{:06}Z", text.substr(0, text.find('.')), (time - whole).count());
}

}  // namespace asb
