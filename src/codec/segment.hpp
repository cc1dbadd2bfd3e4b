#pragma once
// Why this exists: the body as it is stored is cut into segments whose digests are authenticated,
// so that a reader can check a piece before it decrypts it, and fetch pieces in parallel.

#include <functional>
#include <vector>

#include "base/stop.hpp"
#include "codec/digest.hpp"
#include "io/byte_stream.hpp"

namespace asb {

inline constexpr std::size_t kSegmentBytes =
    16 * kMiB;  // permanent (docs/FORMAT.md); the last one is shorter

// A filter: cuts into segments, digests each, pushes each whole (one `write` a segment) into `next`
// on a thread of its own. Memory: 3 segments. An error of `next` comes out of a later `write` or of
// `finish`.
class SegmentSink final : public ByteSink {
  public:
    explicit SegmentSink(ByteSink& next);
    ~SegmentSink() override;
    Status write(Bytes bytes) override;
    Status finish() override;
    // After `finish`: SHA-256 of each segment in order, and the length of all.
    [[nodiscard]] const std::vector<Digest>& digests() const;
    [[nodiscard]] std::uint64_t length() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Reads exactly out.size() bytes at `offset` of a stored object. Called from several threads at
// once.
using ReadAt = std::function<Status(std::uint64_t offset, MutableBytes out)>;

// Fetches segments on `threads` workers, checks each digest, and gives only bytes of checked
// segments, in order. A segment that does not match its digest is `damaged` and names its number
// and offset. Memory: (threads + 1) segments.
class SegmentSource final : public ByteSource {
  public:
    SegmentSource(ReadAt read_at, std::uint64_t length, const std::vector<Digest>& digests,
                  std::size_t threads);
    // The same for the segments with these numbers only (from 0, ascending, each below the count of
    // digests).
    SegmentSource(ReadAt read_at, std::uint64_t length, std::vector<Digest> digests,
                  std::vector<std::size_t> numbers, std::size_t threads);
    ~SegmentSource() override;
    Result<Bytes> next() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace asb
