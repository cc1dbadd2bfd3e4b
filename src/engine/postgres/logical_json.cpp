#include "engine/postgres/logical_json.hpp"

#include "base/text.hpp"

namespace asb::postgres {

std::string json_text(const std::string& text) {
    return is_utf8(text) ? text : printable(text);
}

void put_optional(Json& item, const char* key, const std::optional<std::string>& value) {
    if (value) item[key] = json_text(*value);
}

bool JsonReader::has(const char* key) const {
    return document_.is_object() && document_.contains(key);
}

std::string JsonReader::text(const char* key) const {
    return optional_text(key).value_or("");
}

std::optional<std::string> JsonReader::optional_text(const char* key) const {
    if (!has(key) || !document_[key].is_string()) return std::nullopt;
    return document_[key].get<std::string>();
}

bool JsonReader::flag(const char* key) const {
    return has(key) && document_[key].is_boolean() && document_[key].get<bool>();
}

std::vector<JsonReader> JsonReader::items(const char* key) const {
    std::vector<JsonReader> found;
    if (!has(key) || !document_[key].is_array()) return found;
    for (const auto& item : document_[key]) found.emplace_back(item, what_);
    return found;
}

std::vector<std::string> JsonReader::texts(const char* key) const {
    std::vector<std::string> found;
    if (!has(key) || !document_[key].is_array()) return found;
    for (const auto& item : document_[key])
        if (item.is_string()) found.push_back(item.get<std::string>());
    return found;
}

Error JsonReader::damaged(std::string_view why) const {
    return fail(Code::damaged, "the backup's list of {} holds {}", what_, why);
}

}  // namespace asb::postgres
