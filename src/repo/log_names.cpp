#include "repo/log_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace asb {
namespace {

constexpr std::string_view kHistorySuffix = ".history";
constexpr std::string_view kRecordName = "log.json";
constexpr std::size_t kDayDigits = 8;
constexpr std::size_t kLineDigits = 8;
constexpr std::size_t kPointDigits = 16;
// NAME_MAX is 255; a slot's name, which holds the id, is bounded at 63 by PostgreSQL itself.
constexpr std::size_t kLogIdBytesMax = 40;

struct Suffix {
    bool compressed;
    bool encrypted;
    std::string_view text;
};
constexpr std::array kSuffixes = {Suffix{true, true, ".log.gz.enc"}, Suffix{true, false, ".log.gz"},
                                  Suffix{false, true, ".log.enc"}, Suffix{false, false, ".log"}};

bool is_log_id(std::string_view text) {
    const auto is_id_character = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !text.empty() && text.size() <= kLogIdBytesMax &&
           std::all_of(text.begin(), text.end(), is_id_character);
}

bool is_day(std::uint32_t day) {
    constexpr std::uint32_t kFirst = 19700101;
    constexpr std::uint32_t kLast = 99991231;
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(day / 10000)},
                                           std::chrono::month{day / 100 % 100},
                                           std::chrono::day{day % 100}};
    return day >= kFirst && day <= kLast && date.ok();
}

// A clock that stood before `least` is taken for one that stood there.
std::uint64_t microseconds_from(CommitTime time, std::int64_t least) {
    return static_cast<std::uint64_t>(std::max(time.time_since_epoch().count(), least));
}

std::optional<CommitTime> to_time(std::uint64_t microseconds) {
    if (microseconds > static_cast<std::uint64_t>(CommitTime::max().time_since_epoch().count()))
        return std::nullopt;
    return CommitTime(std::chrono::microseconds(static_cast<std::int64_t>(microseconds)));
}

// Takes a name apart from the left; after the first part that is not as it should be, `good` is
// false and nothing more is taken.
class NameParts {
  public:
    explicit NameParts(std::string_view text) : rest_(text) {}

    // What stands before the next '/', which is passed over.
    std::string_view folder() {
        const auto slash = rest_.find('/');
        good_ = good_ && slash != std::string_view::npos;
        if (!good_) return {};
        const auto part = rest_.substr(0, slash);
        rest_.remove_prefix(slash + 1);
        return part;
    }
    void word(std::string_view expected) {
        good_ = good_ && rest_.starts_with(expected);
        if (good_) rest_.remove_prefix(expected.size());
    }
    std::uint32_t line() { return checked(parse_line(take(kLineDigits))); }
    std::uint64_t point() { return checked(parse_point(take(kPointDigits))); }
    [[nodiscard]] std::string_view rest() const { return rest_; }
    [[nodiscard]] bool good() const { return good_; }

  private:
    std::string_view take(std::size_t count) {
        good_ = good_ && rest_.size() >= count;
        if (!good_) return {};
        const auto part = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return part;
    }
    template <typename T>
    T checked(std::optional<T> value) {
        good_ = good_ && value.has_value();
        return value.value_or(0);
    }

    std::string_view rest_;
    bool good_ = true;
};

std::optional<LogName> parse_object(LogName name, std::string_view day_text, NameParts parts) {
    LogObject& object = name.object;
    const auto day = day_text.size() == kDayDigits ? parse_u64(day_text) : std::nullopt;
    if (!day || !is_day(static_cast<std::uint32_t>(*day))) return std::nullopt;
    object.day = static_cast<std::uint32_t>(*day);
    object.range.line = parts.line();
    parts.word("-");
    object.range.start = parts.point();
    parts.word("-");
    object.range.end = parts.point();
    parts.word("-");
    const auto newest = to_time(parts.point());
    parts.word("-");
    const auto covered = to_time(parts.point());
    const auto* const suffix = std::ranges::find(kSuffixes, parts.rest(), &Suffix::text);
    if (!parts.good() || suffix == kSuffixes.end() || !newest || !covered ||
        object.range.end < object.range.start)
        return std::nullopt;
    if (*newest != CommitTime{}) object.newest_commit = *newest;
    object.covered_until = *covered;
    object.compressed = suffix->compressed;
    object.encrypted = suffix->encrypted;
    return name;
}

}  // namespace

std::string_view log_suffix(bool compressed, bool encrypted) {
    const auto* const suffix = std::ranges::find_if(kSuffixes, [&](const Suffix& candidate) {
        return candidate.compressed == compressed && candidate.encrypted == encrypted;
    });
    return suffix->text;
}

ObjectKey log_object_key(std::string_view log_id, const LogObject& object) {
    ASB_ASSERT(is_log_id(log_id) && is_day(object.day) && object.range.start <= object.range.end);
    const auto newest = object.newest_commit ? microseconds_from(*object.newest_commit, 1) : 0;
    return ObjectKey::known(fmt::format(
        "{}{}/{}/{}-{}-{}-{}-{}{}", kLogPrefix, log_id, object.day, line_text(object.range.line),
        point_text(object.range.start), point_text(object.range.end), point_text(newest),
        point_text(microseconds_from(object.covered_until, 0)),
        log_suffix(object.compressed, object.encrypted)));
}

ObjectKey log_history_key(std::string_view log_id, std::uint32_t line) {
    ASB_ASSERT(is_log_id(log_id));
    return ObjectKey::known(
        fmt::format("{}{}/{}{}", kLogPrefix, log_id, line_text(line), kHistorySuffix));
}

ObjectKey log_record_key(std::string_view log_id) {
    ASB_ASSERT(is_log_id(log_id));
    return ObjectKey::known(fmt::format("{}{}/{}", kLogPrefix, log_id, kRecordName));
}

std::uint32_t day_of(CommitTime time) {
    const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
    return static_cast<std::uint32_t>(static_cast<int>(date.year())) * 10000 +
           static_cast<unsigned>(date.month()) * 100 + static_cast<unsigned>(date.day());
}

std::optional<LogName> parse_log_name(std::string_view key) {
    NameParts parts(key);
    parts.word(kLogPrefix);
    LogName name;
    name.log_id = parts.folder();
    if (!parts.good() || !is_log_id(name.log_id)) return std::nullopt;
    if (parts.rest() == kRecordName) {
        name.kind = LogName::Kind::record;
        return name;
    }
    if (parts.rest().find('/') == std::string_view::npos) {
        name.kind = LogName::Kind::history;
        name.line = parts.line();
        return parts.good() && parts.rest() == kHistorySuffix ? std::optional(name) : std::nullopt;
    }
    const auto day = parts.folder();
    return parse_object(name, day, parts);
}

}  // namespace asb
