#pragma once
// Why this exists: a log that was appended to and one that was emptied and written anew can have
// the same inode and any size. What tells them apart is what stands at the beginning and at the end
// of the part that is known.

#include <string>

#include "codec/digest.hpp"
#include "codec/tar.hpp"

namespace asb::fileset {

// Permanent (docs/FORMAT.md): bytes from the beginning, and from the end, that a mark covers. A few
// lines of a log, with their times, are never written a second time.
inline constexpr std::size_t kMarkBytes = 4096;

// SHA-256 of the first kMarkBytes and the last kMarkBytes of some bytes (all of them, twice, when
// there are no more). Goes on when more comes. One thread.
class LogMark {
  public:
    // Of the first `size` bytes of the open file. When it has no more than fewer bytes by now, of
    // those.
    static Result<LogMark> of_file(int fd, std::uint64_t size, const std::string& path);

    void add(Bytes bytes);
    [[nodiscard]] Digest digest() const;

  private:
    std::string first_;
    std::string last_;
};

// Hands on the entries that pass, and takes their bytes into a mark, borrowed.
class MarkingSink final : public EntrySink {
  public:
    MarkingSink(EntrySink& next, LogMark& mark) : next_(next), mark_(mark) {}
    Status begin(const EntryHeader& header) override { return next_.begin(header); }
    Status write(Bytes bytes) override {
        mark_.add(bytes);
        return next_.write(bytes);
    }
    Status end() override { return next_.end(); }

  private:
    EntrySink& next_;
    LogMark& mark_;
};

}  // namespace asb::fileset
