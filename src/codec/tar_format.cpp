#include "codec/tar_format.hpp"

#include <algorithm>
#include <limits>

#include "base/text.hpp"

namespace asb::tar {
namespace {

constexpr std::uint32_t kNanosecondsInSecond = 1'000'000'000;
constexpr std::size_t kNanosecondDigits = 9;

// Up to nine decimals as nanoseconds.
Result<std::uint32_t> parse_fraction(std::string_view digits) {
    std::uint32_t nanoseconds = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (digits[i] < '0' || digits[i] > '9') return fail(Code::damaged, "a bad fraction");
        if (i < kNanosecondDigits)
            nanoseconds = nanoseconds * 10 + static_cast<std::uint32_t>(digits[i] - '0');
    }
    for (std::size_t i = digits.size(); i < kNanosecondDigits; ++i) nanoseconds *= 10;
    return nanoseconds;
}

// Digits that other programs may have written with leading zeros.
std::optional<std::uint64_t> parse_padded(std::string_view digits) {
    const auto first = digits.find_first_not_of('0');
    if (first == std::string_view::npos) return digits.empty() ? std::nullopt : std::optional(0UL);
    return parse_u64(digits.substr(first));
}

constexpr std::array<std::string_view, 8> kKeywords = {"path", "linkpath", "size",  "uid",
                                                       "gid",  "uname",    "gname", "mtime"};

void keep(std::string_view keyword, std::string_view value, PaxRecords& records) {
    if (keyword.starts_with(kPaxSparse))
        keyword = kPaxSparse;
    else if (std::find(kKeywords.begin(), kKeywords.end(), keyword) == kKeywords.end())
        return;
    records[std::string(keyword)] = value;
}

}  // namespace

std::uint32_t checksum(Bytes block) {
    std::uint32_t sum = 0;
    for (const auto byte : block) sum += std::to_integer<std::uint32_t>(byte);
    for (const auto byte : block.subspan(kChecksum.offset, kChecksum.size))
        sum += std::uint32_t{' '} - std::to_integer<std::uint32_t>(byte);
    return sum;
}

std::string pax_record(std::string_view keyword, std::string_view value) {
    const std::size_t rest = keyword.size() + value.size() + 3;  // ' ', '=' and '\n'
    std::size_t length = rest + 1;
    // The length counts its own digits: a fixed point, reached after at most one more digit.
    while (length != rest + std::to_string(length).size())
        length = rest + std::to_string(length).size();
    return fmt::format("{} {}={}\n", length, keyword, value);
}

Status parse_pax(std::string_view text, PaxRecords& records) {
    while (!text.empty()) {
        const auto space = text.find(' ');
        const auto length = parse_u64(text.substr(0, std::min(space, text.size())));
        if (space == std::string_view::npos || !length || *length > text.size() ||
            *length < space + 2 || text[*length - 1] != '\n')
            return fail(Code::damaged, "a pax record has no valid length");
        const auto record = text.substr(space + 1, *length - space - 2);
        const auto equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0)
            return fail(Code::damaged, "a pax record has no keyword");
        keep(record.substr(0, equals), record.substr(equals + 1), records);
        text.remove_prefix(*length);
    }
    return {};
}

Result<PaxTime> parse_pax_time(std::string_view text) {
    const auto bad = [&] { return fail(Code::damaged, "'{}' is not a time", printable(text)); };
    const bool negative = text.starts_with('-');
    const auto digits = text.substr(negative ? 1 : 0);
    const auto point = std::min(digits.find('.'), digits.size());
    const auto whole = parse_padded(digits.substr(0, point));
    if (!whole || *whole > std::numeric_limits<std::int64_t>::max()) return bad();
    const auto fraction = parse_fraction(digits.substr(std::min(point + 1, digits.size())));
    if (!fraction.ok()) return bad();
    const auto seconds = static_cast<std::int64_t>(*whole);
    if (!negative) return PaxTime{seconds, fraction.value()};
    if (fraction.value() == 0) return PaxTime{-seconds, 0};
    return PaxTime{-seconds - 1, kNanosecondsInSecond - fraction.value()};
}

std::string pax_time(PaxTime time) {
    if (time.nanoseconds == 0) return std::to_string(time.seconds);
    if (time.seconds >= 0) return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
    // -2 s and 500,000,000 ns is the instant -1.5.
    return fmt::format("-{}.{:09}", -(time.seconds + 1), kNanosecondsInSecond - time.nanoseconds);
}

}  // namespace asb::tar
