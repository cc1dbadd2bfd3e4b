#pragma once
// Why this exists: what a follower takes in small chunks is kept in objects of a sensible size;
// this collects the ones and publishes the others.

#include "engine/log_follower.hpp"
#include "repo/log_history.hpp"
#include "repo/log_object.hpp"

namespace asb {

// Which log, and how it is kept.
struct StreamLog {
    std::string log_id;
    std::string engine;
    std::string identity;
    std::vector<LogBranch> branches;  // of the line that the tail is on, and those before
    std::optional<LogKey> key;        // absent: not encrypted
    bool compressed = true;

    [[nodiscard]] const LogKey* key_or_null() const { return key ? &*key : nullptr; }
};

// An object that is in the store.
struct WrittenObject {
    LogSpan span;
    std::uint64_t plain_bytes = 0;
    std::uint64_t stored_bytes = 0;
};

// One thread at a time. Borrows the store.
class StreamWriter {
  public:
    StreamWriter(StoreAppender& store, StreamLog log) : store_(store), log_(std::move(log)) {}

    // Takes a chunk that goes on where the last one ended.
    Status add(const LogChunk& chunk);
    // Whether there is nothing that a put would publish.
    [[nodiscard]] bool empty() const { return !open_ && !sealed_; }
    // Of what is not published yet.
    [[nodiscard]] std::uint64_t plain_bytes() const {
        if (open_) return open_->body.plain_bytes();
        return sealed_ ? sealed_header_.plain_bytes : 0;
    }
    // When the first chunk came of what is not published yet.
    [[nodiscard]] Deadline began() const { return began_; }
    // Publishes what was added (not empty) as one object. After an error it can be called again,
    // and tries to publish the same bytes.
    Result<WrittenObject> put();
    // Publishes how the log came to a new line; nothing of the old line may be left.
    Status change_line(const LogLineChange& change);
    // What is published so far ends so: for whoever goes on from there. Absent before the first
    // put.
    [[nodiscard]] const std::optional<LogObjectHeader>& published() const { return published_; }

  private:
    struct Open {
        explicit Open(bool compressed) : body(compressed) {}
        LogObjectHeader header;
        LogBody body;
    };
    Status seal();

    StoreAppender& store_;
    StreamLog log_;
    std::unique_ptr<Open> open_;
    Deadline began_{};
    std::optional<SealedLogObject> sealed_;  // not published yet
    LogObjectHeader sealed_header_;
    std::optional<LogObjectHeader> published_;
};

// What one more piece of the same line, which goes on where `header` ends, makes of it.
void extend(LogObjectHeader& header, const LogRange& range, const LogTimes& times,
            std::uint64_t last_record, const Json& tail);

}  // namespace asb
