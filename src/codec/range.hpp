#pragma once
// Why this exists: a stored body and the stream inside it are both cut into units of one size, so
// that parts can be read without the rest. What is wanted are ranges of bytes; what arrives are
// whole units, and not all of them.

#include <cstdint>
#include <vector>

#include "io/byte_stream.hpp"

namespace asb {

// From `begin` to before `end`.
struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// The numbers of the units of `unit_bytes` that `ranges` (ascending, not overlapping) touch.
std::vector<std::size_t> units_of(const std::vector<ByteRange>& ranges, std::uint64_t unit_bytes);

// A filter: `source` gives the units with the numbers `units`, whole (the last of all may be
// shorter) and in order; out come the bytes of `ranges`, which lie in those units, are ascending
// and do not overlap. No answer holds bytes of two ranges. `damaged` when the source ends too
// early.
class RangeSource final : public ByteSource {
  public:
    RangeSource(ByteSource& source, std::uint64_t unit_bytes, std::vector<std::size_t> units,
                std::vector<ByteRange> ranges)
        : source_(source),
          unit_bytes_(unit_bytes),
          units_(std::move(units)),
          ranges_(std::move(ranges)) {}
    Result<Bytes> next() override;

  private:
    Status refill();
    void advance(std::uint64_t count);

    ByteSource& source_;
    std::uint64_t unit_bytes_;
    std::vector<std::size_t> units_;
    std::vector<ByteRange> ranges_;
    std::size_t unit_ = 0;         // units begun
    std::size_t range_ = 0;        // ranges given
    std::uint64_t position_ = 0;   // of the first byte of in_
    std::uint64_t unit_left_ = 0;  // bytes of the unit from there on
    Bytes in_;
};

}  // namespace asb
