#pragma once
// Why this exists: what the repository's JSON documents hold is read member by member, and the
// first one that is missing or not what it should be is named.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace asb {

// Reads members of a JSON object; the first that is missing or of the wrong kind is remembered as
// the error.
class Fields {
  public:
    Fields(const Json& object, std::string_view what) : object_(object), what_(what) {}

    std::string text(const char* key) { return get<std::string>(key, &Json::is_string); }
    bool boolean(const char* key) { return get<bool>(key, &Json::is_boolean); }
    std::uint64_t number(const char* key) {
        return get<std::uint64_t>(key, &Json::is_number_unsigned);
    }
    Instant instant(const char* key) {
        auto parsed = parse_iso8601(text(key));
        if (!parsed) bad(key);
        return parsed ? *parsed : Instant{};
    }
    template <std::size_t Size>
    std::array<std::byte, Size> hex(const char* key) {
        std::array<std::byte, Size> out{};
        auto parsed = parse_hex(text(key));
        if (parsed && parsed->size() == Size)
            std::copy(parsed->begin(), parsed->end(), out.begin());
        else
            bad(key);
        return out;
    }
    Json object(const char* key) { return get<Json>(key, &Json::is_object); }
    Json array(const char* key) { return get<Json>(key, &Json::is_array); }
    std::vector<std::string> texts(const char* key) {
        std::vector<std::string> out;
        for (const auto& item : get<Json>(key, &Json::is_array)) {
            if (!item.is_string()) {
                bad(key);
                return {};
            }
            out.push_back(item.get<std::string>());
        }
        return out;
    }
    [[nodiscard]] bool has(const char* key) const {
        return object_.contains(key) && !object_[key].is_null();
    }
    void bad(const char* key) {
        if (error_.empty()) error_ = key;
    }
    [[nodiscard]] Status status() const {
        if (error_.empty()) return {};
        return fail(Code::damaged, "{} is not valid: '{}' is missing or not what it should be",
                    what_, error_);
    }

  private:
    template <typename T>
    T get(const char* key, bool (Json::*is_kind)() const noexcept) {
        if (object_.contains(key) && (object_[key].*is_kind)()) return object_[key].get<T>();
        bad(key);
        return T{};
    }
    const Json& object_;
    std::string_view what_;
    std::string error_;
};

}  // namespace asb
