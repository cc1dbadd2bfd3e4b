#include "engine/mongodb/bson_frame.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {
namespace {

constexpr std::size_t kLengthBytes = 4;

// Proves one document and everything in it.
class Validator {
  public:
    explicit Validator(Bytes whole) : whole_(whole) {}

    Status document(Bytes bytes, unsigned depth) {
        if (depth > kDocumentDepthMax) return at(bytes, "nested too deeply");
        if (bytes.size() < kBsonBytesMin || read_u32(bytes.data()) != bytes.size())
            return at(bytes, "its length is not that of its bytes");
        if (bytes.back() != std::byte{0}) return at(bytes, "it does not end with a zero byte");
        Bytes rest = bytes.subspan(kLengthBytes, bytes.size() - kBsonBytesMin);
        while (!rest.empty()) ASB_CHECK(element(rest, depth));
        return {};
    }

  private:
    [[nodiscard]] Error at(Bytes where, std::string_view what) const {
        return fail(Code::damaged, "not BSON: {} (byte {} of the document)", what,
                    where.data() - whole_.data());
    }

    // Takes one element off `rest`.
    Status element(Bytes& rest, unsigned depth) {
        const auto type = static_cast<BsonType>(rest[0]);
        const Bytes after_type = rest.subspan(1);
        const auto zero = std::ranges::find(after_type, std::byte{0});
        if (zero == after_type.end()) return at(rest, "a field name has no end");
        const auto key_bytes = static_cast<std::size_t>(zero - after_type.begin()) + 1;
        const Bytes after_key = after_type.subspan(key_bytes);
        const auto bytes = bson_value_bytes(type, after_key);
        if (!bytes) return at(rest, "a value is of no known type or longer than its document");
        ASB_CHECK(value(type, after_key.first(*bytes), depth));
        rest = after_key.subspan(*bytes);
        return {};
    }

    Status value(BsonType type, Bytes value, unsigned depth) {
        switch (type) {
            case BsonType::string:
            case BsonType::code:
            case BsonType::symbol:
                return text(value);
            case BsonType::db_pointer:
                return text(value.first(value.size() - 12));
            case BsonType::document:
            case BsonType::array:
                return document(value, depth + 1);
            case BsonType::boolean:
                if (std::to_integer<unsigned>(value[0]) > 1)
                    return at(value, "a boolean is neither 0 nor 1");
                return {};
            case BsonType::binary:
                return binary(value);
            case BsonType::code_with_scope:
                return code_with_scope(value, depth);
            default:
                return {};
        }
    }

    Status text(Bytes value) {
        if (value.size() <= kLengthBytes || value.back() != std::byte{0})
            return at(value, "a string does not end with a zero byte");
        return {};
    }

    // Subtype 2 (old binary) repeats its length.
    Status binary(Bytes value) {
        if (value[kLengthBytes] != std::byte{2}) return {};
        const Bytes data = value.subspan(kLengthBytes + 1);
        if (data.size() < kLengthBytes || read_u32(data.data()) != data.size() - kLengthBytes)
            return at(value, "the inner length of old binary data is wrong");
        return {};
    }

    Status code_with_scope(Bytes value, unsigned depth) {
        const Bytes inner = value.subspan(kLengthBytes);
        const auto code = bson_value_bytes(BsonType::code, inner);
        if (!code) return at(value, "code is longer than its value");
        ASB_CHECK(text(inner.first(*code)));
        return document(inner.subspan(*code), depth + 1);
    }

    Bytes whole_;
};

}  // namespace

Status validate_bson(Bytes document) {
    return Validator(document).document(document, 1);
}

Error BsonFramer::damaged(std::string_view what) const {
    return fail(Code::damaged, "{}: {} (document at byte {})", printable(name_), what, offset_);
}

Result<std::size_t> BsonFramer::length_of(Bytes begin) const {
    const std::size_t length = read_u32(begin.data());
    if (length < kBsonBytesMin || length > kDocumentBytesMax)
        return damaged(fmt::format("a document claims {} bytes", length));
    return length;
}

Status BsonFramer::pass(Bytes document) {
    if (const auto valid = validate_bson(document); !valid.ok()) return damaged(valid.error().fact);
    ASB_CHECK(take_(document));
    offset_ += document.size();
    return {};
}

// Moves from `bytes` into `partial_` what it lacks; passes it on when whole.
Status BsonFramer::fill(Bytes& bytes) {
    const auto take = [&](std::size_t wanted) {
        const std::size_t count = std::min(wanted - partial_.size(), bytes.size());
        partial_.append(as_text(bytes.first(count)));
        bytes = bytes.subspan(count);
        return partial_.size() == wanted;
    };
    if (partial_.size() < kLengthBytes && !take(kLengthBytes)) return {};
    ASB_TRY(const std::size_t length, length_of(as_bytes(partial_)));
    partial_.reserve(length);
    if (!take(length)) return {};
    const std::string document = std::exchange(partial_, {});
    return pass(as_bytes(document));
}

Status BsonFramer::feed(Bytes bytes) {
    while (!bytes.empty()) {
        if (!partial_.empty() || bytes.size() < kLengthBytes) {
            ASB_CHECK(fill(bytes));
            continue;
        }
        ASB_TRY(const std::size_t length, length_of(bytes));
        if (bytes.size() < length) {
            partial_.assign(as_text(bytes));
            return {};
        }
        ASB_CHECK(pass(bytes.first(length)));
        bytes = bytes.subspan(length);
    }
    return {};
}

Status BsonFramer::finish() {
    if (!partial_.empty()) return damaged("the bytes end within a document");
    return {};
}

}  // namespace asb::mongodb
