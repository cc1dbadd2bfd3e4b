#pragma once
// Why this exists: whoever takes WAL in, a full backup, an incremental one or a stream, must know
// where it may be cut, which commits it holds, and what its last bytes were, so that the next one
// can prove that it goes on from there.

#include <string>

#include "engine/postgres/wal_times.hpp"

namespace asb {

// Reads along on one timeline. Memory: 128 KiB, and a row a segment with commits.
class WalTrace {
  public:
    WalTrace(std::uint64_t segment_bytes, Lsn start, WalReader::Start kind);
    WalTrace(const WalTrace&) = delete;
    WalTrace& operator=(const WalTrace&) = delete;

    // As WalReader::feed.
    Status feed(Bytes bytes);
    [[nodiscard]] Lsn position() const { return reader_.position(); }
    // The last place at or before position() that lies between two records. The start, while no
    // record has come.
    [[nodiscard]] Lsn boundary() const;
    // Where the record begins that ends at boundary(); 0: none.
    [[nodiscard]] std::uint64_t last_record() const;
    [[nodiscard]] const WalTimes& times() const { return collector_.times(); }
    [[nodiscard]] std::optional<Lsn> minimal_until() const { return collector_.minimal_until(); }
    // Why nobody can recover along what was fed; empty: one can.
    [[nodiscard]] std::string hole() const;
    // What is known of the commits since the last call; for a trace that goes on for days.
    LogTimes take_totals() { return collector_.take().totals(); }

    // What proves later that a log goes on from `end`, which was fed: the digest of the bytes of
    // its page before it, as far as they are at hand: {"from": "...", "sha256": "..."}.
    [[nodiscard]] Json proof(Lsn end) const;

  private:
    Lsn start_;
    WalTimesCollector collector_;
    WalReader reader_;
    std::string last_bytes_;
};

// How a reader begins at an end that was proved so. A stream may cut a very long record; then it
// says so in what proves the end.
inline constexpr const char* kInsideRecord = "inside_record";
WalReader::Start start_kind(const Json& tail);

// Of a proof: where the bytes begin that must have `digest`.
struct WalProof {
    Lsn from;
    std::string digest;
};
// `damaged` when it is none.
Result<WalProof> parse_wal_proof(const Json& tail);

}  // namespace asb
