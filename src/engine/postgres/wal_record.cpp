#include "engine/postgres/wal_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace asb {
namespace {

using Kind = WalRecord::Kind;

// Resource managers.
constexpr std::uint8_t kXlog = 0;
constexpr std::uint8_t kXact = 1;

// Kinds of kXlog: the upper four bits of the info byte.
constexpr std::uint8_t kXlogKindMask = 0xf0;
constexpr std::uint8_t kCheckpointShutdown = 0x00;
constexpr std::uint8_t kSwitch = 0x40;
constexpr std::uint8_t kParameterChange = 0x60;
constexpr std::uint8_t kRestorePoint = 0x70;
constexpr std::uint8_t kEndOfRecovery = 0x90;

// Kinds of kXact; bit 0x80 says that more follows the time.
constexpr std::uint8_t kXactKindMask = 0x70;
constexpr std::uint8_t kCommit = 0x00;
constexpr std::uint8_t kAbort = 0x20;
constexpr std::uint8_t kCommitPrepared = 0x30;
constexpr std::uint8_t kAbortPrepared = 0x40;

// Of the chain of headers that follows a record's own.
constexpr std::uint8_t kBlockIdMax = 32;
constexpr std::uint8_t kShortMainData = 255;
constexpr std::uint8_t kLongMainData = 254;
constexpr std::uint8_t kOrigin = 253;
constexpr std::uint8_t kTopLevelTransaction = 252;
constexpr std::uint8_t kBlockHasImage = 0x10;
constexpr std::uint8_t kBlockOfSameRelation = 0x80;
constexpr std::uint8_t kImageHasHole = 0x01;
constexpr std::uint8_t kImageIsCompressed = 0x04 | 0x08 | 0x10;
constexpr std::size_t kRelationBytes = 12;
constexpr std::size_t kBlockNumberBytes = 4;

constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kLevelAt = 20;  // in a change of parameters, after five others
constexpr std::uint32_t kLevelMinimal = 0;
constexpr std::size_t kTimelinesBytes = 16;  // eight bytes that are not wanted, and two timelines
// PostgreSQL counts from 2000-01-01 00:00 UTC, which is this many microseconds after 1970.
constexpr std::int64_t kEpochMicroseconds = 946'684'800'000'000;

// Walks the chain of headers to find where the main data, which is always last, begins.
class ChainWalk {
  public:
    ChainWalk(Bytes held, std::uint32_t total) : held_(held), total_(total) {}

    // The main data as far as it is held; nullopt when the chain makes no sense.
    std::optional<Bytes> main_data() {
        while (!done_ && total_ - offset_ > data_bytes_)
            if (!take_header()) return std::nullopt;
        if (total_ - offset_ != data_bytes_) return std::nullopt;
        const std::uint64_t begin = total_ - main_bytes_;
        return held_.subspan(std::min<std::uint64_t>(begin, held_.size()));
    }

  private:
    template <typename Number>
    Number take() {
        if (offset_ + sizeof(Number) > held_.size()) {
            short_ = true;
            return 0;
        }
        const auto value = load_wal<Number>(held_, offset_);
        offset_ += sizeof(Number);
        return value;
    }

    bool take_header() {
        const auto id = take<std::uint8_t>();
        if (id == kShortMainData)
            end_with(take<std::uint8_t>());
        else if (id == kLongMainData)
            end_with(take<std::uint32_t>());
        else if (id == kOrigin)
            offset_ += sizeof(std::uint16_t);
        else if (id == kTopLevelTransaction)
            offset_ += sizeof(std::uint32_t);
        else if (id <= kBlockIdMax)
            take_block();
        else
            return false;
        return !short_ && offset_ <= held_.size();
    }

    void end_with(std::uint32_t main_bytes) {
        main_bytes_ = main_bytes;
        data_bytes_ += main_bytes;
        done_ = true;
    }

    void take_block() {
        const auto flags = take<std::uint8_t>();
        data_bytes_ += take<std::uint16_t>();
        if ((flags & kBlockHasImage) != 0) take_image();
        if ((flags & kBlockOfSameRelation) == 0) offset_ += kRelationBytes;
        offset_ += kBlockNumberBytes;
    }

    void take_image() {
        data_bytes_ += take<std::uint16_t>();
        offset_ += sizeof(std::uint16_t);  // where its hole begins
        const auto info = take<std::uint8_t>();
        if ((info & kImageHasHole) != 0 && (info & kImageIsCompressed) != 0)
            offset_ += sizeof(std::uint16_t);  // how large the hole was
    }

    Bytes held_;
    std::uint64_t total_;
    std::uint64_t offset_ = kWalRecordHeaderBytes;
    std::uint64_t data_bytes_ = 0;
    std::uint64_t main_bytes_ = 0;
    bool done_ = false;
    bool short_ = false;  // the chain goes on past what is held
};

Kind transaction_kind(std::uint8_t info) {
    switch (info & kXactKindMask) {
        case kCommit:
            return Kind::commit;
        case kCommitPrepared:
            return Kind::commit_prepared;
        case kAbort:
            return Kind::abort;
        case kAbortPrepared:
            return Kind::abort_prepared;
        default:
            return Kind::other;
    }
}

Kind xlog_kind(std::uint8_t info) {
    switch (info & kXlogKindMask) {
        case kSwitch:
            return Kind::log_switch;
        case kRestorePoint:
            return Kind::restore_point;
        case kCheckpointShutdown:
        case kEndOfRecovery:
            return Kind::timeline_change;  // unless it changes none
        case kParameterChange:
            return Kind::minimal_level;  // unless it is another one
        default:
            return Kind::other;
    }
}

Kind kind_of(const WalRecord& record) {
    if (record.resource_manager == kXact) return transaction_kind(record.info);
    return record.resource_manager == kXlog ? xlog_kind(record.info) : Kind::other;
}

std::size_t wanted_bytes(Kind kind) {
    if (kind == Kind::restore_point) return kTimeBytes + kRestorePointNameBytes;
    if (kind == Kind::minimal_level) return kLevelAt + sizeof(std::uint32_t);
    return kind == Kind::timeline_change ? kTimelinesBytes : kTimeBytes;
}

CommitTime time_in(Bytes main) {
    return from_postgres_time(static_cast<std::int64_t>(load_wal<std::uint64_t>(main, 0)));
}

void take_timelines(Bytes main, WalRecord& record) {
    record.timeline = load_wal<std::uint32_t>(main, 8);
    record.previous_timeline = load_wal<std::uint32_t>(main, 12);
    if (record.timeline == record.previous_timeline) record.kind = Kind::other;
}

void take_name(Bytes main, WalRecord& record) {
    const std::string_view name = as_text(main.subspan(kTimeBytes, kRestorePointNameBytes));
    record.name = name.substr(0, name.find('\0'));
}

}  // namespace

CommitTime from_postgres_time(std::int64_t microseconds) {
    std::int64_t since_1970 = 0;
    if (__builtin_add_overflow(microseconds, kEpochMicroseconds, &since_1970))
        since_1970 = std::numeric_limits<std::int64_t>::max();
    return CommitTime(std::chrono::microseconds(since_1970));
}

Status decode_wal_record(Bytes held, WalRecord& record) {
    record.kind = kind_of(record);
    if (record.kind == Kind::other || record.kind == Kind::log_switch) return {};
    const auto main = ChainWalk(held, record.bytes).main_data();
    if (!main || main->size() < wanted_bytes(record.kind))
        return broken_wal(record.start,
                          fmt::format("a record of resource manager {} with info {:02X} is not "
                                      "built as PostgreSQL builds it",
                                      record.resource_manager, record.info));
    if (record.kind == Kind::timeline_change) {
        take_timelines(*main, record);
        return {};
    }
    if (record.kind == Kind::minimal_level) {
        if (load_wal<std::uint32_t>(*main, kLevelAt) != kLevelMinimal) record.kind = Kind::other;
        return {};
    }
    record.time = time_in(*main);
    if (record.kind == Kind::restore_point) take_name(*main, record);
    return {};
}

}  // namespace asb
