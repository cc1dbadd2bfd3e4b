#pragma once
// Why this exists: `mongodump --archive` writes one stream in which collections take turns
// (mongo-tools, common/archive/spec.md, version 0.1). This reads it and proves every collection's
// checksum, so that what stock tools once wrote can be restored as if it were a backup of ours.

#include <map>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "engine/mongodb/bson_view.hpp"

namespace asb::mongodb {

// Numbers of that format, all little-endian.
inline constexpr std::uint32_t kArchiveMagic = 0x8199e26d;
inline constexpr std::uint32_t kArchiveTerminator = 0xffffffff;
inline constexpr std::size_t kArchiveWordBytes = 4;
// More collections than this are no archive that anybody wrote: it bounds what a reader remembers.
inline constexpr std::size_t kArchiveCollectionsMax = 1'000'000;

// CRC-64 as the archive has it (reflected ECMA-182, "CRC-64/XZ"), of `bytes` after what `crc` is
// of; 0 at the beginning.
std::uint64_t archive_crc(std::uint64_t crc, Bytes bytes);

// A collection as the archive's beginning announces it.
struct ArchiveCollection {
    std::string database;  // empty for the oplog, which is called "oplog"
    std::string name;
    std::string metadata;  // JSON, as a metadata file has it; empty for the oplog
    std::string type;      // "collection", "view", "timeseries"
    // What its documents are stored under: a time series' buckets, else `name`.
    [[nodiscard]] std::string data_name() const;
};

// Where the parts of an archive go; an error of it ends the reading. Views are good for the call
// only.
class ArchiveHandler {
  public:
    virtual ~ArchiveHandler() = default;
    virtual Status versions(std::string_view server, std::string_view tool) = 0;
    virtual Status announced(const ArchiveCollection& collection) = 0;
    // One document, proved to be BSON, of the collection stored as `database`.`name`.
    virtual Status document(std::string_view database, std::string_view name, Bytes bytes) = 0;
    // All documents of it have come, and their checksum is right.
    virtual Status complete(std::string_view database, std::string_view name) = 0;
};

// | call   | effect                                                                              |
// | feed   | reads what has come; `damaged`, with the offset in the stream, for what is no archive
// | | finish | `damaged` unless it ended between two collections' turns and every one is complete |
// Holds at most one document. Not thread-safe.
class ArchiveParser {
  public:
    explicit ArchiveParser(ArchiveHandler& handler) : handler_(handler) {}
    Status feed(Bytes bytes);
    Status finish();
    // Whether every collection has been announced.
    [[nodiscard]] bool knows_all() const {
        return state_ == State::turn || state_ == State::documents;
    }

  private:
    enum class State { magic, header, announcements, turn, documents };
    struct Stream {
        std::uint64_t crc = 0;
        bool complete = false;
        bool must_come = false;  // announced, and no view
    };
    // One word or one document, whole.
    Status take(Bytes block);
    Status take_magic(Bytes block);
    Status take_header(Bytes block);
    Status take_announcement(Bytes block);
    Status take_turn(Bytes block);
    Status take_document(Bytes block);
    [[nodiscard]] Status end_stream(BsonView turn);
    // Of the block that begins with these 4 bytes.
    [[nodiscard]] Result<std::size_t> length_of(Bytes begin) const;
    Status fill(Bytes& bytes);
    [[nodiscard]] Error damaged(std::string_view what) const;

    ArchiveHandler& handler_;
    State state_ = State::magic;
    std::string partial_;       // the beginning of a block whose rest is to come
    std::uint64_t offset_ = 0;  // where the current block begins
    std::map<std::pair<std::string, std::string>, Stream> streams_;
    std::pair<std::string, std::string> current_;  // whose turn it is
    Stream* stream_ = nullptr;                     // in streams_
    bool last_turn_ = false;                       // only the terminator may follow
};

}  // namespace asb::mongodb
