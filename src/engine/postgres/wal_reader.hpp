#pragma once
// Why this exists: which instants a log can bring back is in the log itself: each commit is a
// record with its time. This follows physical WAL of PostgreSQL 15 to 18 as it passes, in pieces of
// any size, proves every record (page headers, CRC-32C, the chain of previous records) and tells of
// each one.
//
// Where the numbers come from: wal_page.hpp, wal_record.hpp. What a record's end and a segment
// switch mean: XLogReaderState of src/include/access/xlogreader.h (ReadRecPtr, EndRecPtr).
//
// Memory: a page header and kWalRecordHeldBytes, whatever the records' size; nothing is allocated a
// record. Records that lie whole within a page and a fed piece are looked at in place.

#include <array>
#include <optional>

#include "engine/postgres/wal_record.hpp"

namespace asb {

// Whoever wants to know what is in the WAL.
class WalVisitor {
  public:
    virtual ~WalVisitor() = default;
    // Each record, in the order of the log, once all of it was fed. `record` is borrowed.
    virtual void on_record(const WalRecord& record) = 0;
};

// One thread at a time. Borrows `visitor`.
class WalReader {
  public:
    enum class Start {
        // A record begins at the first multiple of 8 from here on; on a page boundary, behind the
        // page's header. Any LSN that PostgreSQL gives as the end of a record is such a place.
        at_record,
        // Somewhere: what comes before the next page is passed over, and so is the rest of the
        // record that goes on into that page. A page of zeros may be what a switch record left
        // behind: then the next segment's first page is taken.
        anywhere,
    };
    struct Options {
        std::uint64_t segment_bytes = 0;  // a power of two, 1 MiB to 1 GiB
        Lsn start;
        Start kind = Start::at_record;
    };
    WalReader(const Options& options, WalVisitor& visitor);

    // The bytes that follow what was fed before. `damaged` naming the LSN of the page or record
    // that is broken; what came before it was told, nothing after it ever will be, and every
    // further feed fails with the same error.
    //
    // Zeros: where a record or page should begin they are the end of the log, as a stored last
    // segment has it, and no error; whatever follows must be zeros too. After a switch record
    // nothing matters until the next segment. Zeros within a record are damage: of a log that was
    // cut within a record, feed only what it really holds, not the padding.
    Status feed(Bytes bytes);

    // Everything before was fed.
    [[nodiscard]] Lsn position() const { return position_; }
    // Where the last complete record ends and the next one may begin: a `start` of kind at_record.
    // Before the first record: the start itself; nullopt while a start of kind anywhere has not
    // found a record's boundary. May lie past position(): by the padding (up to 7 bytes), or by
    // the rest of the segment after a switch record.
    [[nodiscard]] std::optional<Lsn> record_end() const;
    // Where the last complete record begins; nullopt: none was fed.
    [[nodiscard]] std::optional<Lsn> last_record() const { return last_record_; }
    // Where the record begins of which some bytes, but not all, were fed.
    [[nodiscard]] std::optional<Lsn> open_record() const;
    // Zeros were fed where a record or page should begin: the log ended at record_end().
    [[nodiscard]] bool log_ended() const { return ended_; }
    // Of the last page that began: 0 before the first. A segment that a promoted server took over
    // begins with pages of the timeline before.
    [[nodiscard]] std::uint32_t timeline() const { return timeline_; }
    [[nodiscard]] int major() const { return major_; }  // 15 to 18; 0 before the first page
    // pg_control's, from the first page of a segment; nullopt while none was fed.
    [[nodiscard]] std::optional<std::uint64_t> system_id() const { return system_id_; }

  private:
    [[nodiscard]] std::uint64_t offset_in_page() const { return position_.value % kWalPageBytes; }
    Status take(Bytes bytes);
    Result<std::size_t> take_some(Bytes bytes);
    [[nodiscard]] std::size_t skip(Bytes bytes) const;
    [[nodiscard]] Result<std::size_t> take_zeros(Bytes bytes) const;
    Result<std::size_t> take_page_header(Bytes bytes);
    Status begin_page(Bytes bytes, Lsn page);
    void begin_zeros(Lsn page);
    Status join(const WalPageHeader& header, Lsn page);
    void drop_open_record();
    [[nodiscard]] Status check_same_log(const WalPageHeader& header, Lsn page) const;
    std::size_t skip_continuation(Bytes bytes);
    Result<std::size_t> take_whole_records(Bytes bytes);
    Result<std::size_t> take_part_of_record(Bytes bytes);
    Result<std::size_t> take_record_header(Bytes bytes);
    std::size_t take_record_body(Bytes bytes);
    [[nodiscard]] Status check_length(std::uint32_t bytes, Lsn start) const;
    Status complete(Bytes held, std::uint32_t body_crc, Lsn start, Lsn end);
    [[nodiscard]] std::uint32_t left_of_record() const;

    std::uint64_t segment_bytes_;
    WalVisitor& visitor_;
    std::optional<Error> broken_;

    Lsn position_;
    Lsn next_;                  // where there is something to look at again
    bool synchronised_;         // `next_` is where a record ends
    bool ended_ = false;        // only zeros from here on
    std::uint32_t passed_ = 0;  // left of a record whose beginning was not fed

    int major_ = 0;
    std::uint32_t timeline_ = 0;
    std::optional<std::uint64_t> system_id_;
    std::optional<Lsn> last_record_;

    std::array<std::byte, kWalLongHeaderBytes> page_header_{};
    std::size_t page_header_held_ = 0;

    // The record that is open: its beginning, how much of it was fed, and the CRC of its body.
    std::array<std::byte, kWalRecordHeldBytes> record_{};
    std::uint32_t record_fed_ = 0;
    std::uint32_t record_bytes_ = 0;  // 0 while its first four bytes are not complete
    std::uint32_t body_crc_ = 0;
    Lsn record_start_;
};

}  // namespace asb
