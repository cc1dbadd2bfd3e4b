#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "net/http.hpp"

// By hand: strptime(3) reads the names of days and months in the language of the locale.
namespace asb {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};

// Takes pieces off the front of a text; after the first that is not there everything fails.
class Pieces {
  public:
    explicit Pieces(std::string_view text) : text_(text) {}

    void word(std::string_view expected) {
        if (!text_.starts_with(expected)) return spoil();
        text_.remove_prefix(expected.size());
    }
    [[nodiscard]] bool next_is(std::string_view expected) const {
        return text_.starts_with(expected);
    }
    int digits(std::size_t count) {
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (text_.size() <= i || text_[i] < '0' || text_[i] > '9') return spoil(), 0;
            value = value * 10 + (text_[i] - '0');
        }
        text_.remove_prefix(count);
        return value;
    }
    unsigned month() {
        const auto* found = std::find(kMonths.begin(), kMonths.end(), text_.substr(0, 3));
        if (found == kMonths.end()) return spoil(), 0;
        text_.remove_prefix(3);
        return static_cast<unsigned>(found - kMonths.begin()) + 1;
    }
    // "Sunday" or "Sun".
    void day_name() {
        for (const auto day : kDays) {
            if (next_is(day)) return word(day);
        }
        for (const auto day : kDays) {
            if (next_is(day.substr(0, 3))) return word(day.substr(0, 3));
        }
        spoil();
    }
    [[nodiscard]] bool all_read() const { return good_ && text_.empty(); }

  private:
    void spoil() {
        good_ = false;
        text_ = {};
    }
    std::string_view text_;
    bool good_ = true;
};

struct Moment {
    int year = 0;
    unsigned month = 0;
    int day = 0, hour = 0, minute = 0, second = 0;
};

void read_time(Pieces& pieces, Moment& moment) {
    moment.hour = pieces.digits(2);
    pieces.word(":");
    moment.minute = pieces.digits(2);
    pieces.word(":");
    moment.second = pieces.digits(2);
}

// "06 Nov 1994 08:49:37 GMT"
void read_fixdate(Pieces& pieces, Moment& moment) {
    moment.day = pieces.digits(2);
    pieces.word(" ");
    moment.month = pieces.month();
    pieces.word(" ");
    moment.year = pieces.digits(4);
    pieces.word(" ");
    read_time(pieces, moment);
    pieces.word(" GMT");
}

// RFC 9110, 5.6.7: two digits that seem to be more than 50 years ahead are the most recent such
// year.
int full_year(int two_digits) {
    const auto today = std::chrono::floor<std::chrono::days>(now());
    const int this_year = static_cast<int>(std::chrono::year_month_day(today).year());
    const int year = this_year - this_year % 100 + two_digits;
    return year > this_year + 50 ? year - 100 : year;
}

// "06-Nov-94 08:49:37 GMT", of RFC 850
void read_rfc850(Pieces& pieces, Moment& moment) {
    moment.day = pieces.digits(2);
    pieces.word("-");
    moment.month = pieces.month();
    pieces.word("-");
    moment.year = full_year(pieces.digits(2));
    pieces.word(" ");
    read_time(pieces, moment);
    pieces.word(" GMT");
}

// "Nov  6 08:49:37 1994", of asctime(3)
void read_asctime(Pieces& pieces, Moment& moment) {
    moment.month = pieces.month();
    pieces.word(" ");
    const bool is_one_digit = pieces.next_is(" ");
    if (is_one_digit) pieces.word(" ");
    moment.day = pieces.digits(is_one_digit ? 1 : 2);
    pieces.word(" ");
    read_time(pieces, moment);
    pieces.word(" ");
    moment.year = pieces.digits(4);
}

// A leap second is the first of the next minute.
std::optional<Instant> to_instant(const Moment& moment) {
    const std::chrono::year_month_day date{std::chrono::year{moment.year},
                                           std::chrono::month{moment.month},
                                           std::chrono::day{static_cast<unsigned>(moment.day)}};
    if (!date.ok() || moment.hour > 23 || moment.minute > 59 || moment.second > 60)
        return std::nullopt;
    return Instant{std::chrono::sys_days{date}} + std::chrono::hours{moment.hour} +
           std::chrono::minutes{moment.minute} + std::chrono::seconds{moment.second};
}

}  // namespace

std::optional<Instant> parse_http_date(std::string_view text) {
    Pieces pieces(text);
    Moment moment;
    pieces.day_name();
    if (!pieces.next_is(",")) {
        pieces.word(" ");
        read_asctime(pieces, moment);
    } else {
        pieces.word(", ");
        text.find('-') != std::string_view::npos ? read_rfc850(pieces, moment)
                                                 : read_fixdate(pieces, moment);
    }
    if (!pieces.all_read()) return std::nullopt;
    return to_instant(moment);
}

}  // namespace asb
