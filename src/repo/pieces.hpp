#pragma once
// Why this exists: one table out of a terabyte must not cost a terabyte. The inner manifest says
// where each entry lies in the tar stream, the index where each member and segment lies in the
// body; from both follows what has to be read, and nothing else is.

#include <vector>

#include "codec/range.hpp"
#include "repo/archive_reader.hpp"
#include "repo/inner_manifest.hpp"

namespace asb {

// What has to be fetched and inflated for some ranges of the tar stream.
struct BodyPieces {
    std::vector<ByteRange> plain;       // the ranges: ascending, not overlapping, none empty
    std::vector<std::size_t> members;   // numbers of the gzip members that hold them, or of the
                                        // pieces of that size where nothing is compressed
    std::vector<ByteRange> stored;      // those members in the stream before encryption, merged
    std::vector<std::size_t> segments;  // of the body
    std::uint64_t stored_bytes = 0;     // of those segments
    std::uint64_t plain_bytes = 0;      // of those members
};

// `plain`: ascending, not overlapping, within the archive's plain bytes (`damaged` otherwise). The
// index must fit the manifest (`damaged`): members and segments are counted and summed.
Result<BodyPieces> pieces_of(const OpenArchive& archive, std::vector<ByteRange> plain);

// The plain bytes of `pieces.plain`, one range after another; each segment is checked before it is
// decrypted. `archive` and `pieces` outlive it.
class PieceSource final : public ByteSource {
  public:
    PieceSource(const OpenArchive& archive, const BodyPieces& pieces, std::size_t threads);
    ~PieceSource() override;
    Result<Bytes> next() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Reads the segments of `pieces` and compares their digests, without decrypting anything.
Status check_pieces(const OpenArchive& archive, const BodyPieces& pieces,
                    const ReadOptions& options);

// What an archive holds, by its own inner manifest.
struct ArchiveContents {
    std::vector<InnerEntry> entries;
    std::uint64_t end = 0;                // where the inner manifest begins in the tar stream
    std::uint64_t stored_bytes_read = 0;  // that reading it took
};

// Reads the end of the body only. `damaged` when what is there is not the inner manifest that the
// manifest speaks of.
Result<ArchiveContents> read_contents(const OpenArchive& archive, const ReadOptions& options);

// The stretches of the tar stream that hold headers and data of the chosen entries. A stretch
// begins where the data of the file before it ends.
struct Stretch {
    ByteRange range;
    std::size_t first = 0;  // the entry whose header is the first in it
};
std::vector<Stretch> stretches_of(const ArchiveContents& contents, const std::vector<bool>& chosen);

struct Selection {
    std::vector<bool> chosen;  // for each of the contents' entries
    std::vector<Stretch> stretches;
    BodyPieces pieces;
};
Result<Selection> select_entries(const OpenArchive& archive, const ArchiveContents& contents,
                                 std::vector<bool> chosen);

// Pushes the chosen entries into `sink`, in their order. Each is compared with the inner manifest:
// its header as it passes, its digest at its end. Only after success is what was pushed proved.
Status read_selection(const OpenArchive& archive, const ArchiveContents& contents,
                      const Selection& selection, EntrySink& sink, const ReadOptions& options);

// The text of one small file of the archive; nullopt when it has no entry of that name. `damaged`
// when it is larger than `bytes_max`.
Result<std::optional<std::string>> read_small_entry(const OpenArchive& archive,
                                                    std::string_view name, std::size_t bytes_max,
                                                    const ReadOptions& options);

}  // namespace asb
