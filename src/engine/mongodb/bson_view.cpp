#include "engine/mongodb/bson_view.hpp"

#include <cmath>
#include <limits>

namespace asb::mongodb {
namespace {

// The fixed part of a value, or how its length is told.
std::optional<std::size_t> fixed_bytes(BsonType type) {
    switch (type) {
        case BsonType::undefined:
        case BsonType::null:
        case BsonType::max_key:
        case BsonType::min_key:
            return 0;
        case BsonType::boolean:
            return 1;
        case BsonType::int32:
            return 4;
        case BsonType::number_double:
        case BsonType::date:
        case BsonType::timestamp:
        case BsonType::int64:
            return 8;
        case BsonType::object_id:
            return 12;
        case BsonType::decimal128:
            return 16;
        default:
            return std::nullopt;
    }
}

// A value that begins with its int32 length: `extra` is what that length does not count.
std::optional<std::size_t> counted_bytes(Bytes rest, std::size_t extra) {
    if (rest.size() < 4) return std::nullopt;
    const std::uint32_t length = read_u32(rest.data());
    if (length > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    const std::size_t all = length + extra;
    if (all > rest.size() || all < 4) return std::nullopt;
    return all;
}

std::optional<std::size_t> text_bytes(Bytes rest) {
    const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), 0, rest.size());
    if (end == nullptr) return std::nullopt;
    return static_cast<std::size_t>(static_cast<const std::byte*>(end) - rest.data()) + 1;
}

std::optional<std::size_t> regex_bytes(Bytes rest) {
    const auto pattern = text_bytes(rest);
    if (!pattern) return std::nullopt;
    const auto flags = text_bytes(rest.subspan(*pattern));
    if (!flags) return std::nullopt;
    return *pattern + *flags;
}

std::string little_endian(std::uint64_t number, std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i)
        text[i] = static_cast<char>((number >> (8 * i)) & 0xffU);
    return text;
}

}  // namespace

std::uint32_t read_u32(const std::byte* bytes) {
    std::uint32_t number = 0;
    for (unsigned i = 0; i < 4; ++i) number |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * i);
    return number;
}

std::uint64_t read_u64(const std::byte* bytes) {
    return read_u32(bytes) | (static_cast<std::uint64_t>(read_u32(bytes + 4)) << 32U);
}

std::optional<std::size_t> bson_value_bytes(BsonType type, Bytes rest) {
    if (const auto fixed = fixed_bytes(type))
        return *fixed <= rest.size() ? fixed : std::optional<std::size_t>();
    switch (type) {
        case BsonType::string:
        case BsonType::code:
        case BsonType::symbol:
            return counted_bytes(rest, 4);
        case BsonType::binary:
            return counted_bytes(rest, 5);
        case BsonType::db_pointer:
            return counted_bytes(rest, 16);
        case BsonType::document:
        case BsonType::array:
        case BsonType::code_with_scope:
            return counted_bytes(rest, 0);
        case BsonType::regex:
            return regex_bytes(rest);
        default:
            return std::nullopt;
    }
}

std::optional<std::int64_t> BsonElement::as_integer() const {
    if (type == BsonType::int32) return static_cast<std::int32_t>(read_u32(value.data()));
    if (type == BsonType::int64) return static_cast<std::int64_t>(read_u64(value.data()));
    if (type != BsonType::number_double) return std::nullopt;
    const std::uint64_t bits = read_u64(value.data());
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    constexpr double kExact = 9007199254740992;  // 2^53: whole numbers below it are exact
    if (!(std::fabs(number) <= kExact) || std::trunc(number) != number) return std::nullopt;
    return static_cast<std::int64_t>(number);
}

std::optional<std::string_view> BsonElement::as_string() const {
    if (type != BsonType::string || value.size() < 5) return std::nullopt;
    return as_text(value.subspan(4, value.size() - 5));
}

bool BsonElement::as_flag() const {
    if (type == BsonType::boolean) return value[0] != std::byte{0};
    return as_integer().value_or(0) != 0;
}

std::optional<std::uint64_t> BsonElement::as_timestamp() const {
    if (type != BsonType::timestamp) return std::nullopt;
    return read_u64(value.data());
}

void BsonView::Iterator::read() {
    done_ = true;
    if (rest_.empty()) return;
    element_.type = static_cast<BsonType>(rest_[0]);
    const auto key = text_bytes(rest_.subspan(1));
    if (!key) return;
    element_.key = as_text(rest_.subspan(1, *key - 1));
    rest_ = rest_.subspan(1 + *key);
    const auto bytes = bson_value_bytes(element_.type, rest_);
    if (!bytes) return;
    element_.value = rest_.first(*bytes);
    rest_ = rest_.subspan(*bytes);
    done_ = false;
}

BsonView::Iterator BsonView::begin() const {
    if (bytes_.size() < kBsonBytesMin) return {};
    return Iterator(bytes_.subspan(4, bytes_.size() - 5));
}

std::optional<BsonElement> BsonView::find(std::string_view key) const {
    for (const auto& element : *this)
        if (element.key == key) return element;
    return std::nullopt;
}

BsonView BsonView::child(std::string_view key) const {
    const auto element = find(key);
    return element && element->holds_elements() ? view_of(*element) : BsonView();
}

std::string_view BsonView::text(std::string_view key) const {
    const auto element = find(key);
    return element ? element->as_string().value_or(std::string_view()) : std::string_view();
}

bool BsonView::flag(std::string_view key) const {
    const auto element = find(key);
    return element && element->as_flag();
}

BsonWriter::BsonWriter() : bytes_(4, '\0') {}

BsonWriter& BsonWriter::add(std::string_view key, BsonType type, Bytes value) {
    bytes_.push_back(static_cast<char>(type));
    bytes_.append(key);
    bytes_.push_back('\0');
    bytes_.append(as_text(value));
    ++count_;
    return *this;
}

BsonWriter& BsonWriter::add_document(std::string_view key, Bytes document) {
    return add(key, BsonType::document, document);
}

BsonWriter& BsonWriter::add_array(std::string_view key, Bytes array) {
    return add(key, BsonType::array, array);
}

BsonWriter& BsonWriter::add_text(std::string_view key, std::string_view text) {
    std::string value = little_endian(text.size() + 1, 4);
    value.append(text);
    value.push_back('\0');
    return add(key, BsonType::string, as_bytes(value));
}

BsonWriter& BsonWriter::add_int32(std::string_view key, std::int32_t number) {
    return add(key, BsonType::int32,
               as_bytes(little_endian(static_cast<std::uint32_t>(number), 4)));
}

BsonWriter& BsonWriter::add_int64(std::string_view key, std::int64_t number) {
    return add(key, BsonType::int64,
               as_bytes(little_endian(static_cast<std::uint64_t>(number), 8)));
}

BsonWriter& BsonWriter::add_bool(std::string_view key, bool flag) {
    return add(key, BsonType::boolean, as_bytes(little_endian(flag ? 1 : 0, 1)));
}

BsonWriter& BsonWriter::add_all(BsonView document) {
    for (const auto& element : document) add(element);
    return *this;
}

std::string BsonWriter::finish() {
    bytes_.push_back('\0');
    bytes_.replace(0, 4, little_endian(bytes_.size(), 4));
    std::string done(4, '\0');
    done.swap(bytes_);
    count_ = 0;
    return done;
}

}  // namespace asb::mongodb
