#include "engine/mongodb/bson_fields.hpp"

#include <limits>

namespace asb {
namespace {

int length(std::string_view text) {
    ASB_ASSERT(text.size() <= kDocumentBytesMax);
    return static_cast<int>(text.size());
}

}  // namespace

BsonBuilder& BsonBuilder::text(std::string_view key, std::string_view value) {
    ASB_ASSERT(
        bson_append_utf8(document_.get(), key.data(), length(key), value.data(), length(value)));
    return *this;
}

BsonBuilder& BsonBuilder::number(std::string_view key, std::int64_t value) {
    const bool small = value >= std::numeric_limits<std::int32_t>::min() &&
                       value <= std::numeric_limits<std::int32_t>::max();
    ASB_ASSERT(small ? bson_append_int32(document_.get(), key.data(), length(key),
                                         static_cast<std::int32_t>(value))
                     : bson_append_int64(document_.get(), key.data(), length(key), value));
    return *this;
}

BsonBuilder& BsonBuilder::flag(std::string_view key, bool value) {
    ASB_ASSERT(bson_append_bool(document_.get(), key.data(), length(key), value));
    return *this;
}

BsonBuilder& BsonBuilder::optime(std::string_view key, const OpTime& value) {
    ASB_ASSERT(bson_append_timestamp(document_.get(), key.data(), length(key), value.seconds,
                                     value.increment));
    return *this;
}

BsonBuilder& BsonBuilder::document(std::string_view key, const bson_t& value) {
    ASB_ASSERT(bson_append_document(document_.get(), key.data(), length(key), &value));
    return *this;
}

BsonBuilder& BsonBuilder::array(std::string_view key, const bson_t& value) {
    ASB_ASSERT(bson_append_array(document_.get(), key.data(), length(key), &value));
    return *this;
}

BsonBuilder& BsonBuilder::value(std::string_view key, const bson_iter_t& value) {
    ASB_ASSERT(bson_append_iter(document_.get(), key.data(), length(key), &value));
    return *this;
}

std::optional<BsonField> find_field(const bson_t& document, const char* path) {
    bson_iter_t start;
    BsonField found{};
    if (!bson_iter_init(&start, &document) || !bson_iter_find_descendant(&start, path, &found.at))
        return std::nullopt;
    return found;
}

std::optional<std::string> text_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field || !BSON_ITER_HOLDS_UTF8(&field->at)) return std::nullopt;
    std::uint32_t size = 0;
    const char* text = bson_iter_utf8(&field->at, &size);
    return std::string(text, size);
}

std::optional<std::int64_t> number_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field || !BSON_ITER_HOLDS_NUMBER(&field->at)) return std::nullopt;
    return bson_iter_as_int64(&field->at);
}

std::optional<bool> flag_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field || !(BSON_ITER_HOLDS_BOOL(&field->at) || BSON_ITER_HOLDS_NUMBER(&field->at)))
        return std::nullopt;
    return bson_iter_as_bool(&field->at);
}

std::optional<OpTime> optime_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field || !BSON_ITER_HOLDS_TIMESTAMP(&field->at)) return std::nullopt;
    OpTime optime;
    bson_iter_timestamp(&field->at, &optime.seconds, &optime.increment);
    return optime;
}

std::optional<Bson> document_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field) return std::nullopt;
    std::uint32_t size = 0;
    const std::uint8_t* data = nullptr;
    if (BSON_ITER_HOLDS_DOCUMENT(&field->at))
        bson_iter_document(&field->at, &size, &data);
    else if (BSON_ITER_HOLDS_ARRAY(&field->at))
        bson_iter_array(&field->at, &size, &data);
    if (data == nullptr) return std::nullopt;
    return Bson(bson_new_from_data(data, size));
}

std::vector<Bson> documents_at(const bson_t& document, const char* path) {
    std::vector<Bson> documents;
    const auto field = find_field(document, path);
    bson_iter_t each;
    if (!field || !bson_iter_recurse(&field->at, &each)) return documents;
    while (bson_iter_next(&each)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&each)) continue;
        std::uint32_t size = 0;
        const std::uint8_t* data = nullptr;
        bson_iter_document(&each, &size, &data);
        if (Bson one(bson_new_from_data(data, size)); one != nullptr)
            documents.push_back(std::move(one));
    }
    return documents;
}

Result<std::size_t> document_length(Bytes bytes) {
    if (bytes.size() < 4)
        return fail(Code::damaged, "a BSON document ends after {} bytes", bytes.size());
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    size = BSON_UINT32_FROM_LE(size);
    if (size < kDocumentBytesMin || size > kDocumentBytesMax)
        return fail(Code::damaged, "a BSON document says that it is {} bytes long", size);
    return size;
}

Status check_frame(Bytes bytes) {
    ASB_TRY(const std::size_t size, document_length(bytes));
    if (size != bytes.size())
        return fail(Code::damaged, "a BSON document says that it is {} bytes long, but has {}",
                    size, bytes.size());
    if (bytes.back() != std::byte{0})
        return fail(Code::damaged, "a BSON document of {} bytes does not end with a zero", size);
    return {};
}

}  // namespace asb
