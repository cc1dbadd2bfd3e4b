#pragma once
// Why this exists: a piece of streamed log is one write-once object that proves itself: what it is
// stands in its name and once more, authenticated, in its header; and stock tools open it.
//
// One line of canonical JSON (the header), then the body to the end: the kept bytes, as gzip
// members, encrypted as `openssl enc` does it. docs/FORMAT.md has every member and the recipe.

#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "codec/digest.hpp"
#include "codec/gzip.hpp"
#include "engine/log.hpp"
#include "repo/log_key.hpp"
#include "repo/log_names.hpp"

namespace asb {

inline constexpr int kLogObjectVersion = 1;
inline constexpr std::size_t kLogHeaderBytesMax = 4 * kKiB;  // permanent; with its newline
// Plain bytes of one object; a reader holds all of it. Permanent.
inline constexpr std::size_t kLogPlainBytesMax = 64 * kMiB;
// Header, padding, and what compression may add to bytes that do not shrink.
inline constexpr std::size_t kLogStoredBytesMax = kLogPlainBytesMax + 2 * kMiB;
// Branches that a header names, the newest ones; all of them stand in log/<id>/<line>.history.
inline constexpr std::size_t kLogHeaderBranchesMax = 16;

// What an object says of itself. The first members are as in LogFacts and LogChunk.
struct LogObjectHeader {
    std::string log_id;
    std::string engine;
    std::string identity;
    LogRange range;
    LogTimes times;
    std::uint64_t last_record = 0;
    Json tail = Json::object();
    std::vector<LogBranch> branches;
    bool compressed = true;
    std::vector<std::uint32_t> members;  // stored bytes of each gzip member, before encryption
    std::uint64_t plain_bytes = 0;
    std::uint64_t body_length = 0;  // as stored
    Digest body_digest{};           // of the body as stored
    std::optional<Salt> salt;       // absent: not encrypted, and so not authenticated
};

// The body of an object while it grows: compresses as bytes come, so that plain bytes need not be
// kept. One thread at a time; it has two of its own while there is something to compress.
class LogBody {
  public:
    explicit LogBody(bool compressed);
    ~LogBody();
    LogBody(const LogBody&) = delete;
    LogBody& operator=(const LogBody&) = delete;

    Status write(Bytes bytes);
    [[nodiscard]] std::uint64_t plain_bytes() const { return plain_bytes_; }
    struct Finished {
        std::string bytes;
        std::vector<std::uint32_t> members;
        std::uint64_t plain_bytes = 0;
        bool compressed = true;
    };
    // Once.
    Result<Finished> finish();

  private:
    class Collector;
    bool compressed_;
    std::uint64_t plain_bytes_ = 0;
    std::unique_ptr<Collector> collector_;
    std::unique_ptr<GzipMemberSink> gzip_;  // null: not compressed, or nothing has come
};

// An object ready to be put.
struct SealedLogObject {
    ObjectKey key;
    LogObject name;
    std::string header;  // with its newline
    std::string body;
    [[nodiscard]] std::uint64_t stored_bytes() const { return header.size() + body.size(); }
};
// `header` without what the body decides; `key` null: not encrypted. `failed` when the header would
// be longer than kLogHeaderBytesMax.
Result<SealedLogObject> seal_log_object(LogObjectHeader header, LogBody::Finished body,
                                        const LogKey* key, std::uint32_t day);
// Publishes it in one act. `busy` when an object of that name is there.
Status put_log_object(StoreAppender& store, const SealedLogObject& object);

// A header as it was read: trusted only after its MAC was checked.
struct ReadLogHeader {
    LogObjectHeader header;
    Json document;
    std::size_t bytes = 0;  // of the line with its newline: where the body begins
};
// Shape, version, canonical form and bounds of `line` (without its newline); `damaged` otherwise.
Result<ReadLogHeader> parse_log_header(std::string_view line, std::string_view what);
// The header of a stored object; `damaged` when it says something else than the name, or than the
// object's length. Proves nothing about who wrote it.
Result<ReadLogHeader> read_log_header(StoreReader& store, const ObjectKey& key);

struct OpenedLogObject {
    LogObjectHeader header;
    std::string plain;
};
// The whole object, each bit of it proved: name, MAC (before anything is decrypted), digest,
// lengths. `key` is that of the log (open_log_record); null for a log that is not encrypted, and
// then nothing proves who wrote it. `damaged` where anything is not as it should be, also when an
// object of an encrypted log is not encrypted; `not_found` when it is not there (any more: several
// may have been merged into a larger one).
Result<OpenedLogObject> open_log_object(StoreReader& store, const ObjectKey& key,
                                        const LogKey* log_key);

}  // namespace asb
