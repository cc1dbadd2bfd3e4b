#pragma once
// Why this exists: an incremental backup begins and ends anywhere in a segment, and the archive
// wants the size of an entry before its bytes; `cat` must still put a segment together again.

#include <optional>
#include <string>
#include <vector>

#include "codec/tar.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {

// A piece never holds more: the size of an ordinary segment, and memory is bounded by it.
inline constexpr std::uint64_t kWalPieceBytesMax = 16 * kMiB;

// "postgresql/wal-ranges/000000010000000000000002" for a piece that begins a segment, else with the
// offset within it: "postgresql/wal-ranges/000000010000000000000002.00A3F000".
std::string wal_piece_name(std::uint32_t timeline, Lsn start, std::uint64_t segment_bytes);

// What such a name says, or that of a whole segment below "postgresql/wal"; nullopt for any other.
struct WalPieceName {
    std::uint32_t timeline = 0;
    Lsn start;
};
std::optional<WalPieceName> parse_wal_piece_name(std::string_view name,
                                                 std::uint64_t segment_bytes);

// Cuts the WAL of one timeline into such entries. Borrows `sink`. Memory: one piece.
class WalPieces {
  public:
    WalPieces(EntrySink& sink, std::uint32_t timeline, Lsn start, std::uint64_t segment_bytes)
        : sink_(sink), timeline_(timeline), start_(start), segment_bytes_(segment_bytes) {}
    Status write(Bytes bytes);
    // Ends at `end` or, when more than that is in entries already, there; what is behind it is
    // dropped. Returns where it ended.
    Result<Lsn> finish(Lsn end);

  private:
    [[nodiscard]] std::uint64_t left_in_piece() const;
    Status flush();

    EntrySink& sink_;
    std::uint32_t timeline_;
    Lsn start_;  // of what is held
    std::uint64_t segment_bytes_;
    std::string held_;
};

// An entry of a few bytes made by ourselves.
Status push_small_entry(EntrySink& sink, const std::string& name, std::string_view text);

}  // namespace asb
