#pragma once
// Why this exists: places, times and branches of a log are written alike in every document that
// speaks of them.

#include "engine/log.hpp"
#include "repo/json_fields.hpp"

namespace asb {

// The members that documents about a log have besides the usual ones.
class LogFields : public Fields {
  public:
    using Fields::Fields;
    std::uint32_t line(const char* key) { return parsed(key, parse_line(text(key))); }
    std::uint64_t point(const char* key) { return parsed(key, parse_point(text(key))); }
    CommitTime time(const char* key) {
        const auto value = number(key);
        if (value > static_cast<std::uint64_t>(CommitTime::max().time_since_epoch().count()))
            bad(key);
        return CommitTime(std::chrono::microseconds(static_cast<std::int64_t>(value)));
    }

  private:
    template <typename T>
    T parsed(const char* key, std::optional<T> value) {
        if (!value) bad(key);
        return value.value_or(0);
    }
};

// A clock that stood before 1970 is written as 1970, as in names.
inline std::uint64_t to_number(CommitTime time) {
    const auto microseconds = time.time_since_epoch().count();
    return microseconds < 0 ? 0 : static_cast<std::uint64_t>(microseconds);
}

inline Json branch_to_json(const LogBranch& branch) {
    return {{"line", line_text(branch.line)},
            {"parent", line_text(branch.parent)},
            {"at", point_text(branch.at)}};
}

inline Result<LogBranch> branch_from_json(const Json& object, std::string_view what) {
    LogFields fields(object, what);
    const LogBranch branch{
        .line = fields.line("line"), .parent = fields.line("parent"), .at = fields.point("at")};
    if (branch.parent >= branch.line) fields.bad("parent");
    ASB_CHECK(fields.status());
    return branch;
}

}  // namespace asb
