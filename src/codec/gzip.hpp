#pragma once
// Why this exists: a gzip stream made of independent members (RFC 1952 2.2 allows their
// concatenation), so that both directions run on all cores and a part can be read alone, while
// `gzip -d` still reads the whole.

#include <vector>

#include "base/stop.hpp"
#include "io/byte_stream.hpp"

namespace asb {

// Permanent numbers of the format (docs/FORMAT.md).
inline constexpr std::size_t kMemberPlainBytes =
    4 * kMiB;  // plain bytes of every member but the last
// A member never grows past this: stored blocks cost 5 bytes per 64 KiB, header and trailer 18.
inline constexpr std::size_t kMemberStoredBytesMax = kMemberPlainBytes + 64 * kKiB;

// A filter: cuts what is written into blocks of kMemberPlainBytes and pushes one gzip member for
// each, in order. Compresses on `threads` workers of its own; `next.write` runs on one more thread,
// so that the next sink overlaps too. Memory: about (threads + 2) * 2 blocks. An error of `next`
// comes out of a later `write` or of `finish`.
class GzipMemberSink final : public ByteSink {
  public:
    struct Options {
        std::size_t threads = 2;
        int level = 1;  // ISA-L's 0-3
    };
    GzipMemberSink(ByteSink& next, Options options);
    ~GzipMemberSink() override;
    Status write(Bytes bytes) override;
    Status finish() override;
    // After `finish`: the stored size of each member, in order.
    [[nodiscard]] const std::vector<std::uint32_t>& member_sizes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// The plain bytes of exactly one member into `out` (cleared first). `damaged` when it is not one
// whole, valid member (its CRC and length included) or when it does not fit into out's capacity.
Status inflate_member(Bytes member, Buffer& out);

// Pulls stored bytes from `source` (whose members have `member_sizes`, in order) and gives the
// plain bytes, inflating on `threads` workers. `damaged` when a member is not what the sizes say,
// or when anything is left over.
class GzipMemberSource final : public ByteSource {
  public:
    GzipMemberSource(ByteSource& source, std::vector<std::uint32_t> member_sizes,
                     std::size_t threads);
    ~GzipMemberSource() override;
    Result<Bytes> next() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Any gzip stream (other tools' too), one thread, no index: for archives whose manifest is lost.
// zlib does the work.
class GzipStreamSource final : public ByteSource {
  public:
    explicit GzipStreamSource(ByteSource& source);
    ~GzipStreamSource() override;
    Result<Bytes> next() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace asb
