#pragma once
// Why this exists: documents leave the archive byte for byte as they came from the server.
// libmongoc's own cursor takes a document with a broken frame for the end of a batch; this one says
// so.

#include <optional>
#include <semaphore>
#include <string>

#include "engine/mongodb/client.hpp"

namespace asb {

// What one answer of the server should hold: a round trip costs nothing beside it, and a reader
// holds two of them at worst. The server's own limit is 16 MiB.
inline constexpr std::uint64_t kBatchBytes = 4 * kMiB;
// Of the first answer, when nothing is known of the documents' size: 16 MiB at most, and mostly
// little.
inline constexpr std::int64_t kFirstBatchDocuments = 8;

// A `find` (or another command whose reply holds a cursor) and its `getMore`s, in one session.
// One thread, the connection's. Destroyed early it kills the cursor on the server.
class DumpCursor {
  public:
    // `collection` is what getMore is told. Later answers are asked for in numbers of documents
    // that make kBatchBytes, by the size of those that came. Nothing is sent before the first
    // `next`.
    // `large`: held while there is an answer of documents that are larger than kBatchBytes; several
    // readers that share it hold one such answer, of which libmongoc keeps two copies for a while.
    DumpCursor(MongoConnection& connection, std::string database, std::string collection,
               Bson command, std::binary_semaphore* large = nullptr);
    ~DumpCursor();
    DumpCursor(const DumpCursor&) = delete;
    DumpCursor& operator=(const DumpCursor&) = delete;

    // The next document, framed well, valid until the next call; nullopt after the last.
    // `damaged` with namespace and place for a broken frame.
    Result<std::optional<Bytes>> next();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace asb
