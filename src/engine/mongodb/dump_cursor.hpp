#pragma once
// Why this exists: documents leave the archive byte for byte as they came from the server.
// libmongoc's own cursor takes a document with a broken frame for the end of a batch; this one says
// so.

#include <optional>
#include <string>

#include "engine/mongodb/client.hpp"

namespace asb {

// A `find` (or another command whose reply holds a cursor) and its `getMore`s, in one session.
// One thread, the connection's. Destroyed early it kills the cursor on the server.
class DumpCursor {
  public:
    // `collection` is what getMore is told. Nothing is sent before the first `next`.
    DumpCursor(MongoConnection& connection, std::string database, std::string collection,
               Bson command, std::int32_t batch_documents);
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
