#pragma once
// Why this exists: commands are written and replies are read field by field in dozens of places;
// each must read as one line and none may trust a reply's types.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "engine/mongodb/handles.hpp"
#include "engine/mongodb/optime.hpp"

namespace asb {

// MongoDB's own limits: a user's document is at most 16 MiB, an internal one (an oplog entry that
// holds such a document) 16 KiB more (mongod: BSONObjMaxUserSize, BSONObjMaxInternalSize).
inline constexpr std::size_t kDocumentBytesMax = 16 * kMiB + 16 * kKiB;
inline constexpr std::size_t kDocumentBytesMin = 5;  // its length and the closing zero

// A document that is being written, field by field in this order.
class BsonBuilder {
  public:
    BsonBuilder() : document_(bson_new()) {}
    BsonBuilder& text(std::string_view key, std::string_view value);
    BsonBuilder& number(std::string_view key, std::int64_t value);  // int32 where it fits
    BsonBuilder& flag(std::string_view key, bool value);
    BsonBuilder& optime(std::string_view key, const OpTime& value);  // a BSON timestamp
    BsonBuilder& document(std::string_view key, const bson_t& value);
    BsonBuilder& array(std::string_view key, const bson_t& value);  // keys "0", "1", ...
    BsonBuilder& value(std::string_view key, const bson_iter_t& value);
    [[nodiscard]] const bson_t& get() const { return *document_; }
    [[nodiscard]] Bson take() { return std::move(document_); }

  private:
    Bson document_;
};

// A place in a document, valid while the document is.
struct BsonField {
    bson_iter_t at;
};

// The field at `path` ("lastWrite.opTime.ts"); nullopt when there is none.
std::optional<BsonField> find_field(const bson_t& document, const char* path);
// The same as a value of that type; nullopt when it is missing or of another type. A number may be
// int32, int64 or double; a flag may be a number, as servers have it.
std::optional<std::string> text_at(const bson_t& document, const char* path);
std::optional<std::int64_t> number_at(const bson_t& document, const char* path);
std::optional<bool> flag_at(const bson_t& document, const char* path);
std::optional<OpTime> optime_at(const bson_t& document, const char* path);  // a BSON timestamp
std::optional<Bson> document_at(const bson_t& document, const char* path);  // document or array
// The documents of the array at `path`; what is no document in it, or no array, is passed over.
std::vector<Bson> documents_at(const bson_t& document, const char* path);

// The length that a document's first four bytes say. `damaged` when it is not possible.
Result<std::size_t> document_length(Bytes bytes);
// Whether `bytes` is framed as exactly one document: its length, its closing zero, and
// kDocumentBytesMax kept. What is between them is passed on as it is.
Status check_frame(Bytes bytes);

}  // namespace asb
