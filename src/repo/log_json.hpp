#pragma once
// Why this exists: ranges and branches of a log look the same in every document of the repository.

#include <string_view>
#include <vector>

#include "engine/log.hpp"
#include "repo/json_fields.hpp"

namespace asb {

Json to_json(const LogRange& range);
Json to_json(const LogBranch& branch);
// `damaged`, naming `what`, when a member is missing or contradicts another.
Result<LogRange> parse_range(const Json& object, std::string_view what);
Result<LogBranch> parse_branch(const Json& object, std::string_view what);

// Fields with the words of the log.
class LogFields : public Fields {
  public:
    using Fields::Fields;
    std::uint32_t line(const char* key) { return parsed(key, parse_line(text(key))); }
    std::uint64_t point(const char* key) { return parsed(key, parse_point(text(key))); }
    CommitTime time(const char* key) {
        return CommitTime(std::chrono::microseconds(static_cast<std::int64_t>(number(key))));
    }

  private:
    template <typename T>
    T parsed(const char* key, std::optional<T> value) {
        if (!value) bad(key);
        return value.value_or(0);
    }
};

// The items of the array `key`, each by `parse`.
template <typename T>
Status parse_list(Fields& fields, const char* key, std::string_view what,
                  Result<T> (*parse)(const Json&, std::string_view), std::vector<T>& out) {
    const Json list = fields.array(key);
    ASB_CHECK(fields.status());
    for (const auto& item : list) {
        ASB_TRY(auto value, parse(item, what));
        out.push_back(std::move(value));
    }
    return {};
}

}  // namespace asb
