#pragma once
// Why this exists: an archive gives a collection as one run of bytes in pieces of any size. This
// cuts it into documents, each proved to be BSON, before one of them reaches a database.

#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "engine/mongodb/bson_fields.hpp"

namespace asb::mongodb {

// The server takes 180 levels by default and 250 at most (maxBSONDepth).
inline constexpr unsigned kDocumentDepthMax = 250;

// Whether `document` is exactly one BSON document: every length, terminator, type and depth, at
// every level. Text need not be UTF-8: servers hold what clients once wrote. `damaged`, naming the
// offset within the document.
Status validate_bson(Bytes document);

// | call   | effect                                                                       |
// | feed   | calls `take` for each document that is whole, in order; its error ends it      |
// | finish | `damaged` unless the bytes ended between two documents                         |
// `damaged` names `name` and the offset in the stream. Holds at most one document. Not thread-safe.
class BsonFramer {
  public:
    using Take = std::function<Status(Bytes document)>;
    BsonFramer(std::string name, Take take) : name_(std::move(name)), take_(std::move(take)) {}

    Status feed(Bytes bytes);
    Status finish();

  private:
    [[nodiscard]] Result<std::size_t> length_of(Bytes begin) const;
    Status fill(Bytes& bytes);
    Status pass(Bytes document);
    [[nodiscard]] Error damaged(std::string_view what) const;

    std::string name_;
    Take take_;
    std::string partial_;       // the beginning of a document whose rest is to come
    std::uint64_t offset_ = 0;  // where the current document begins
};

}  // namespace asb::mongodb
