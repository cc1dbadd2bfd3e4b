#include "engine/postgres/wal_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "codec/digest.hpp"

namespace asb {
namespace {

// Of a record's header.
constexpr std::size_t kTotalBytes = 0;
constexpr std::size_t kTransaction = 4;
constexpr std::size_t kPrevious = 8;
constexpr std::size_t kInfo = 16;
constexpr std::size_t kResourceManager = 17;
constexpr std::size_t kCrc = 20;  // of the body, then of the header up to here

constexpr std::size_t kLengthBytes = 4;

Lsn page_after(Lsn lsn) {
    return Lsn{(lsn.value + kWalPageBytes - 1) / kWalPageBytes * kWalPageBytes};
}

Lsn segment_after(Lsn lsn, std::uint64_t segment_bytes) {
    return segment_start(Lsn{lsn.value + segment_bytes - 1}, segment_bytes);
}

WalRecord record_of(Bytes header, Lsn start, Lsn end) {
    WalRecord record;
    record.start = start;
    record.end = wal_aligned(end);
    record.previous = Lsn{load_wal<std::uint64_t>(header, kPrevious)};
    record.transaction = load_wal<std::uint32_t>(header, kTransaction);
    record.bytes = load_wal<std::uint32_t>(header, kTotalBytes);
    record.resource_manager = load_wal<std::uint8_t>(header, kResourceManager);
    record.info = load_wal<std::uint8_t>(header, kInfo);
    return record;
}

// Copies as much of `from` as `to` has room for at `held`.
std::size_t copy_into(MutableBytes to, std::size_t held, Bytes from) {
    if (held >= to.size()) return 0;
    const std::size_t count = std::min(to.size() - held, from.size());
    std::memcpy(to.data() + held, from.data(), count);
    return count;
}

}  // namespace

WalReader::WalReader(const Options& options, WalVisitor& visitor)
    : segment_bytes_(options.segment_bytes),
      visitor_(visitor),
      position_(options.start),
      next_(options.kind == Start::at_record ? wal_aligned(options.start)
                                             : page_after(options.start)),
      synchronised_(options.kind == Start::at_record) {
    ASB_ASSERT(std::has_single_bit(segment_bytes_) && segment_bytes_ >= kWalPageBytes);
    const Lsn page{next_.value - next_.value % kWalPageBytes};
    if (next_ > page && next_.value < page.value + wal_page_header_bytes(page, segment_bytes_))
        broken_ = broken_wal(next_, "no record can begin within a page's header");
}

std::optional<Lsn> WalReader::record_end() const {
    return synchronised_ ? std::optional(next_) : std::nullopt;
}

std::optional<Lsn> WalReader::open_record() const {
    return record_fed_ > 0 ? std::optional(record_start_) : std::nullopt;
}

Status WalReader::feed(Bytes bytes) {
    if (broken_) return *broken_;
    Status taken = take(bytes);
    if (!taken.ok()) broken_ = taken.error();
    return taken;
}

Status WalReader::take(Bytes bytes) {
    while (!bytes.empty()) {
        ASB_TRY(const std::size_t count, take_some(bytes));
        position_.value += count;
        bytes = bytes.subspan(count);
    }
    return {};
}

// At least one byte, and not beyond the end of the page unless they do not matter.
Result<std::size_t> WalReader::take_some(Bytes bytes) {
    if (ended_) return take_zeros(bytes);
    if (position_ < next_) return skip(bytes);
    if (offset_in_page() == 0 || page_header_held_ > 0) return take_page_header(bytes);
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), kWalPageBytes - offset_in_page()));
    if (passed_ > 0) return skip_continuation(bytes);
    if (record_fed_ > 0) return take_part_of_record(bytes);
    return take_whole_records(bytes);
}

std::size_t WalReader::skip(Bytes bytes) const {
    return std::min<std::uint64_t>(bytes.size(), next_.value - position_.value);
}

Result<std::size_t> WalReader::take_zeros(Bytes bytes) const {
    const std::size_t zeros = count_leading_zeros(bytes);
    if (zeros == bytes.size()) return zeros;
    return broken_wal(
        Lsn{position_.value + zeros},
        fmt::format("the log ended at {}, and yet something follows", to_text(next_)));
}

// ---- pages

Result<std::size_t> WalReader::take_page_header(Bytes bytes) {
    const Lsn page{position_.value - page_header_held_};
    const std::size_t size = wal_page_header_bytes(page, segment_bytes_);
    const MutableBytes held = std::span(page_header_).first(size);
    const std::size_t count = copy_into(held, page_header_held_, bytes);
    page_header_held_ += count;
    if (page_header_held_ < size) return count;
    page_header_held_ = 0;
    ASB_CHECK(begin_page(held, page));
    return count;
}

Status WalReader::begin_page(Bytes bytes, Lsn page) {
    if (left_of_record() == 0 && count_leading_zeros(bytes) == bytes.size()) {
        begin_zeros(page);
        return {};
    }
    ASB_TRY(const auto header, parse_wal_page_header(bytes, page, segment_bytes_));
    ASB_CHECK(check_same_log(header, page));
    major_ = header.major;
    timeline_ = header.timeline;
    if (header.system_id) system_id_ = header.system_id;
    return join(header, page);
}

// Without knowing what came before, they may also be the rest of a segment after a switch record.
void WalReader::begin_zeros(Lsn page) {
    ended_ = synchronised_;
    if (!ended_) next_ = segment_after(Lsn{page.value + 1}, segment_bytes_);
}

Status WalReader::check_same_log(const WalPageHeader& header, Lsn page) const {
    if (major_ != 0 && header.major != major_)
        return broken_wal(
            page, fmt::format("a page of PostgreSQL {} after one of {}", header.major, major_));
    if (header.timeline < timeline_)
        return broken_wal(
            page, fmt::format("a page of timeline {} after one of {}", header.timeline, timeline_));
    if (header.system_id && system_id_ && header.system_id != system_id_)
        return broken_wal(page, fmt::format("a page of database {} after one of {}",
                                            *header.system_id, *system_id_));
    return {};
}

// Does the page go on where the one before it ended?
Status WalReader::join(const WalPageHeader& header, Lsn page) {
    if (header.overwrites) drop_open_record();
    const std::uint32_t left = left_of_record();
    if (!synchronised_ && passed_ == 0) {
        passed_ = header.remaining;
        if (passed_ == 0) {
            synchronised_ = true;
            next_ = page;
        }
        return {};
    }
    if (header.remaining != left)
        return broken_wal(page, fmt::format("{} bytes of a record should go on here, and not {}",
                                            left, header.remaining));
    return {};
}

// After a crash the server goes on at a page whose record never got its end.
void WalReader::drop_open_record() {
    record_fed_ = 0;
    passed_ = 0;
}

std::uint32_t WalReader::left_of_record() const {
    return passed_ > 0 ? passed_ : record_fed_ > 0 ? record_bytes_ - record_fed_ : 0;
}

std::size_t WalReader::skip_continuation(Bytes bytes) {
    const std::size_t count = std::min<std::size_t>(bytes.size(), passed_);
    passed_ -= static_cast<std::uint32_t>(count);
    if (passed_ == 0) {
        synchronised_ = true;
        next_ = wal_aligned(Lsn{position_.value + count});
    }
    return count;
}

// ---- records

Status WalReader::check_length(std::uint32_t bytes, Lsn start) const {
    if (bytes >= kWalRecordHeaderBytes && bytes <= kWalRecordBytesMax) return {};
    return broken_wal(start, fmt::format("a record of {} bytes", bytes));
}

// As many records as lie whole within `bytes`; or else the beginning of one.
Result<std::size_t> WalReader::take_whole_records(Bytes bytes) {
    std::size_t done = 0;
    while (bytes.size() - done >= kWalRecordHeaderBytes) {
        const Bytes rest = bytes.subspan(done);
        const auto total = load_wal<std::uint32_t>(rest, kTotalBytes);
        if (total < kWalRecordHeaderBytes || total > rest.size()) break;
        const Lsn start{position_.value + done};
        const std::uint32_t body_crc =
            crc32c(0, rest.subspan(kWalRecordHeaderBytes, total - kWalRecordHeaderBytes));
        ASB_CHECK(complete(rest.first(total), body_crc, start, Lsn{start.value + total}));
        const std::uint64_t begins = next_.value - position_.value;
        if (begins >= bytes.size()) return done + total;  // padding, or the end of the page
        done = begins;
    }
    if (done > 0) return done;
    record_start_ = position_;
    record_bytes_ = 0;
    body_crc_ = 0;
    return take_part_of_record(bytes);
}

Result<std::size_t> WalReader::take_part_of_record(Bytes bytes) {
    std::size_t count = 0;
    if (record_fed_ < kWalRecordHeaderBytes) {
        ASB_TRY(count, take_record_header(bytes));
    } else {
        count = take_record_body(bytes);
    }
    if (record_bytes_ == 0 || record_fed_ < record_bytes_) return count;
    record_fed_ = 0;
    const Bytes held = Bytes(record_).first(std::min<std::size_t>(record_bytes_, record_.size()));
    ASB_CHECK(complete(held, body_crc_, record_start_, Lsn{position_.value + count}));
    return count;
}

Result<std::size_t> WalReader::take_record_header(Bytes bytes) {
    const bool length_known = record_fed_ >= kLengthBytes;
    const std::size_t wanted = length_known ? kWalRecordHeaderBytes : kLengthBytes;
    const std::size_t count = copy_into(std::span(record_).first(wanted), record_fed_, bytes);
    record_fed_ += static_cast<std::uint32_t>(count);
    if (record_fed_ < kLengthBytes || length_known) return count;
    record_bytes_ = load_wal<std::uint32_t>(record_, kTotalBytes);
    ended_ = record_bytes_ == 0;
    if (ended_) record_fed_ = 0;
    if (!ended_) ASB_CHECK(check_length(record_bytes_, record_start_));
    return count;
}

std::size_t WalReader::take_record_body(Bytes bytes) {
    const std::size_t count = std::min<std::size_t>(bytes.size(), record_bytes_ - record_fed_);
    body_crc_ = crc32c(body_crc_, bytes.first(count));
    copy_into(record_, record_fed_, bytes.first(count));
    record_fed_ += static_cast<std::uint32_t>(count);
    return count;
}

Status WalReader::complete(Bytes held, std::uint32_t body_crc, Lsn start, Lsn end) {
    if (crc32c(body_crc, held.first(kCrc)) != load_wal<std::uint32_t>(held, kCrc))
        return broken_wal(start, "a record's checksum is wrong");
    WalRecord record = record_of(held, start, end);
    if (last_record_ ? record.previous != *last_record_ : record.previous >= start)
        return broken_wal(
            start, fmt::format("a record that follows the one at {}", to_text(record.previous)));
    ASB_CHECK(decode_wal_record(held, record));
    if (record.kind == WalRecord::Kind::log_switch)
        record.end = segment_after(record.end, segment_bytes_);
    next_ = record.end;
    last_record_ = start;
    visitor_.on_record(record);
    return {};
}

}  // namespace asb
