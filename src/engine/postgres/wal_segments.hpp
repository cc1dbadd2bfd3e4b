#pragma once
// Why this exists: streamed WAL arrives in pieces of any size; the archive holds whole segment
// files. One segment may be 1 GiB, so none is ever held in memory.

#include <cstdint>
#include <functional>
#include <string>

#include "codec/tar.hpp"
#include "engine/postgres/lsn.hpp"
#include "engine/postgres/messages.hpp"

namespace asb {

// Turns WAL from `start` (a segment boundary) to `end` into entries postgresql/wal/<name>, each of
// exactly `segment_bytes`; the last one is filled with zeros after `end`. Borrows `sink`.
class WalSegments {
  public:
    struct Range {
        std::uint32_t timeline = 0;
        Lsn start;
        Lsn end;
        std::uint64_t segment_bytes = 0;
    };
    // Makes the header of an entry with that name and size.
    using MakeHeader = std::function<EntryHeader(std::string name, std::uint64_t size)>;

    WalSegments(EntrySink& sink, const Range& range, MakeHeader make_header)
        : sink_(sink),
          range_(range),
          make_header_(std::move(make_header)),
          position_(range.start) {}

    // What lies after the range's end is dropped; `database` when it is not what comes next.
    Status take(const WalData& wal);
    [[nodiscard]] bool complete() const { return position_ >= range_.end; }
    // How far everything has arrived.
    [[nodiscard]] Lsn position() const { return position_; }
    // Once complete: ends the last segment.
    Status finish();

  private:
    Status write(Bytes bytes);
    Status begin_segment();
    [[nodiscard]] std::uint64_t left_in_segment() const;

    EntrySink& sink_;
    Range range_;
    MakeHeader make_header_;
    Lsn position_;
    bool open_ = false;
};

}  // namespace asb
