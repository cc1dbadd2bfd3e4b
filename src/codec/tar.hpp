#pragma once
// Why this exists: entries in and out of a tar stream (POSIX.1-2017 pax, ustar where that is
// enough). One state machine reads both what PostgreSQL sends and what we stored.

#include <string>

#include "io/byte_stream.hpp"

namespace asb {

enum class EntryType { file, folder, symbolic_link, hard_link, other };

struct EntryHeader {
    std::string name = {};  // as stored: relative, any bytes but NUL, no trailing '/' for folders
    EntryType type = EntryType::file;
    std::uint64_t size = 0;  // of the data that follows; 0 unless a file
    std::string link_target = {};
    std::uint32_t mode = 0600;  // permission bits
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::string user_name = {};
    std::string group_name = {};
    std::int64_t mtime_seconds = 0;
    std::uint32_t mtime_nanoseconds = 0;  // kept in a pax record when not 0
};

// Where entries go: an archive being written, or a place being restored to. The same interface
// serves both directions. One thread at a time. begin, write* (exactly header.size bytes in all),
// end; and again.
class EntrySink {
  public:
    virtual ~EntrySink() = default;
    virtual Status begin(const EntryHeader& header) = 0;
    virtual Status write(Bytes bytes) = 0;
    virtual Status end() = 0;
};

// Writes entries as tar into `next`; `finish` writes the two zero blocks and finishes `next`. A
// name or link target that ustar cannot hold goes into a pax record; one that is not UTF-8 gets
// hdrcharset=BINARY (POSIX.1-2017, pax).
class TarWriter final : public EntrySink {
  public:
    explicit TarWriter(ByteSink& next) : next_(next) {}
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    Status finish();
    // Offset in the tar stream of the next byte written.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }

  private:
    Status emit(Bytes bytes);
    ByteSink& next_;
    std::uint64_t offset_ = 0;
    std::uint64_t left_ = 0;  // data bytes that the open entry still owes
    std::uint64_t padding_ = 0;
};

// Push parser: feed it a tar stream in pieces of any size; it calls `sink` as entries pass. ustar,
// pax (path, linkpath, size, uid, gid, uname, gname, mtime, hdrcharset) and GNU long names ('L',
// 'K') are read. `damaged` with the offset for a bad checksum, a number that is not one, an
// extended header over kExtendedHeaderBytesMax, or data after the end. An unknown type arrives as
// EntryType::other with its data skipped. Nothing is assumed of names: the sink judges them (see
// safe_name).
class TarParser {
  public:
    static constexpr std::size_t kExtendedHeaderBytesMax =
        1 * kMiB;  // a name is at most 4 KiB on Linux; generous
    explicit TarParser(EntrySink& sink);
    ~TarParser();
    Status feed(Bytes bytes);
    // At the end of the stream: `damaged` unless it ended between entries, after the two zero
    // blocks.
    Status finish();
    // Inside a call of the sink: the offset in the stream of the data it is given; in `begin`, of
    // where the data will begin.
    [[nodiscard]] std::uint64_t offset() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Whether a stored name may become a path below a target folder: not empty, not absolute, no "",
// "." or ".." component, no NUL, each component at most 255 bytes, at most 4095 in all. (Newlines
// and non-UTF-8 are legal on Linux.)
[[nodiscard]] Status safe_name(std::string_view name);

}  // namespace asb
