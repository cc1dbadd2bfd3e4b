#pragma once
// Why this exists: a restore looks into millions of documents that it only passes on. This reads
// and builds BSON (bsonspec.org, version 1.1) in place, without a copy or an allocation for each
// element as libbson's tree functions need.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace asb::mongodb {

// The element types of the specification that this program treats by name; any other value of the
// specification passes as it is.
enum class BsonType : std::uint8_t {
    number_double = 0x01,
    string = 0x02,
    document = 0x03,
    array = 0x04,
    binary = 0x05,
    undefined = 0x06,
    object_id = 0x07,
    boolean = 0x08,
    date = 0x09,
    null = 0x0a,
    regex = 0x0b,
    db_pointer = 0x0c,
    code = 0x0d,
    symbol = 0x0e,
    code_with_scope = 0x0f,
    int32 = 0x10,
    timestamp = 0x11,
    int64 = 0x12,
    decimal128 = 0x13,
    max_key = 0x7f,
    min_key = 0xff,
};

// An empty document: its length and its end.
inline constexpr std::size_t kBsonBytesMin = 5;

// One element of a document; views into it.
struct BsonElement {
    BsonType type = BsonType::null;
    std::string_view key;
    Bytes value;  // what follows the key

    [[nodiscard]] bool is(BsonType wanted) const { return type == wanted; }
    // A document or an array.
    [[nodiscard]] bool holds_elements() const {
        return type == BsonType::document || type == BsonType::array;
    }
    // An int32, an int64, or a double without a fraction.
    [[nodiscard]] std::optional<std::int64_t> as_integer() const;
    [[nodiscard]] std::optional<std::string_view> as_string() const;
    // true, or a number that is not 0, as the server takes flags.
    [[nodiscard]] bool as_flag() const;
    // Seconds in the upper half, the counter in the lower one.
    [[nodiscard]] std::optional<std::uint64_t> as_timestamp() const;
};

std::uint32_t read_u32(const std::byte* bytes);
std::uint64_t read_u64(const std::byte* bytes);

// How many bytes a value of `type` takes at the beginning of `rest`; nullopt when it does not fit
// or there is no such type. Looks at lengths only, not into documents.
std::optional<std::size_t> bson_value_bytes(BsonType type, Bytes rest);

// A document (or array) to walk through. Of a damaged document it gives the elements before the
// damage; `validate_bson` says beforehand that there is none. Thread-compatible; views `bytes`.
class BsonView {
  public:
    BsonView() = default;
    explicit BsonView(Bytes bytes) : bytes_(bytes) {}

    class Iterator {
      public:
        explicit Iterator(Bytes rest) : rest_(rest) { read(); }
        const BsonElement& operator*() const { return element_; }
        const BsonElement* operator->() const { return &element_; }
        Iterator& operator++() {
            read();
            return *this;
        }
        bool operator!=(const Iterator& other) const { return done_ != other.done_; }
        Iterator() : done_(true) {}

      private:
        void read();
        Bytes rest_;
        BsonElement element_;
        bool done_ = false;
    };
    [[nodiscard]] Iterator begin() const;
    [[nodiscard]] Iterator end() const { return {}; }

    [[nodiscard]] Bytes bytes() const { return bytes_; }
    [[nodiscard]] bool empty() const { return !(begin() != end()); }
    [[nodiscard]] std::optional<BsonElement> find(std::string_view key) const;
    // Of an element that is there and is a document or an array; else an empty view.
    [[nodiscard]] BsonView child(std::string_view key) const;
    // Of an element that is there and is a string; else empty.
    [[nodiscard]] std::string_view text(std::string_view key) const;
    [[nodiscard]] bool flag(std::string_view key) const;

  private:
    Bytes bytes_;
};

// The elements that an element holds.
inline BsonView view_of(const BsonElement& element) {
    return BsonView(element.value);
}

// Builds one document, element by element. Thread-compatible.
class BsonWriter {
  public:
    BsonWriter();
    BsonWriter& add(const BsonElement& element) {
        return add(element.key, element.type, element.value);
    }
    BsonWriter& add(std::string_view key, BsonType type, Bytes value);
    BsonWriter& add_document(std::string_view key, Bytes document);
    BsonWriter& add_array(std::string_view key, Bytes array);
    BsonWriter& add_text(std::string_view key, std::string_view text);
    BsonWriter& add_int32(std::string_view key, std::int32_t number);
    BsonWriter& add_int64(std::string_view key, std::int64_t number);
    BsonWriter& add_bool(std::string_view key, bool flag);
    BsonWriter& add_null(std::string_view key) { return add(key, BsonType::null, {}); }
    // The elements of `document`, all of them.
    BsonWriter& add_all(BsonView document);
    [[nodiscard]] std::size_t count() const { return count_; }
    // The finished document; the writer is empty afterwards.
    [[nodiscard]] std::string finish();

  private:
    std::string bytes_;
    std::size_t count_ = 0;
};

// A view of bytes that a string owns.
inline BsonView view_of(const std::string& document) {
    return BsonView(as_bytes(document));
}

}  // namespace asb::mongodb
