#pragma once
// Why this exists: the document that a logical backup keeps beside its dumps is written and read
// field by field; these few words keep that readable and safe against any document.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"

namespace asb::postgres {

// JSON knows UTF-8 only; a server with SQL_ASCII databases may hold anything: then as printable.
std::string json_text(const std::string& text);
// Leaves the field out when there is no value.
void put_optional(Json& item, const char* key, const std::optional<std::string>& value);

// One object of a document, borrowed. A field that is missing or of another type reads as empty.
class JsonReader {
  public:
    JsonReader(const Json& document, std::string_view what) : document_(document), what_(what) {}
    [[nodiscard]] bool has(const char* key) const;
    [[nodiscard]] std::string text(const char* key) const;
    [[nodiscard]] std::optional<std::string> optional_text(const char* key) const;
    [[nodiscard]] bool flag(const char* key) const;
    [[nodiscard]] std::vector<JsonReader> items(const char* key) const;
    [[nodiscard]] std::vector<std::string> texts(const char* key) const;
    [[nodiscard]] const Json& json() const { return document_; }
    // The error that says what is wrong with it.
    [[nodiscard]] Error damaged(std::string_view why) const;

  private:
    const Json& document_;  // the caller's, which outlives this
    std::string what_;
};

}  // namespace asb::postgres
