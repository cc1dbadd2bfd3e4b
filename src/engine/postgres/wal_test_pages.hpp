#pragma once
// Why this exists: tests of the WAL reader need WAL with records and page headers at exactly the
// places they choose. This writes it by hand, page by page, as a server would.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "codec/digest.hpp"
#include "engine/postgres/wal_reader.hpp"

namespace asb::test {

inline constexpr std::uint64_t kTestSegment = 1 * kMiB;
inline constexpr Lsn kBegin{2 * kTestSegment};  // where most tests begin

// The little-endian bytes of a number.
template <typename Number>
std::string le(Number number) {
    std::string text;
    for (std::size_t i = 0; i < sizeof(Number); ++i)
        text += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
    return text;
}

// A time of day on 2024-01-15, in microseconds.
inline CommitTime at_second(std::int64_t second, std::int64_t microseconds = 0) {
    return CommitTime(
        std::chrono::microseconds((1'705'276'800 + second) * 1'000'000 + microseconds));
}

inline std::string postgres_time(CommitTime time) {
    return le(time.time_since_epoch().count() - 946'684'800'000'000);
}

// The main data of a record with the header that tells its length.
inline std::string main_data(const std::string& data) {
    return (data.size() < 256 ? "\xff" + le(static_cast<std::uint8_t>(data.size()))
                              : "\xfe" + le(static_cast<std::uint32_t>(data.size()))) +
           data;
}

struct WalPlace {
    Lsn start;
    Lsn end;
};

// WAL from `start`, a page boundary, on.
class WalPages {
  public:
    struct Options {
        std::uint64_t segment_bytes = kTestSegment;
        std::uint16_t magic = 0xD110;
        std::uint32_t timeline = 1;
        Lsn previous = {};  // of the first record
    };
    explicit WalPages(Lsn start) : WalPages(start, Options()) {}
    WalPages(Lsn start, const Options& how)
        : options(how), begin_(start), previous_(how.previous) {}

    Options options;
    [[nodiscard]] const std::string& bytes() const { return bytes_; }
    [[nodiscard]] Lsn begin() const { return begin_; }
    [[nodiscard]] Lsn position() const { return Lsn{begin_.value + bytes_.size()}; }
    // What lies from `from` on, to the end.
    [[nodiscard]] std::string_view from(Lsn from) const {
        return std::string_view(bytes_).substr(from.value - begin_.value);
    }

    // `body`: the headers after the record's own, and all data.
    WalPlace add(std::uint8_t resource_manager, std::uint8_t info, const std::string& body) {
        return add_until(resource_manager, info, body, body.size() + kWalRecordHeaderBytes);
    }
    // Only its first `count` bytes: the log is cut there.
    WalPlace add_until(std::uint8_t resource_manager, std::uint8_t info, const std::string& body,
                       std::size_t count) {
        if (position().value % kWalPageBytes == 0) begin_page(0);
        const Lsn start = position();
        const std::string record = make_record(resource_manager, info, body);
        put(record, count);
        if (count == record.size()) end_record(start);
        return {start, position()};
    }
    // A record of so many bytes that tells nothing.
    WalPlace add_filler(std::size_t bytes) {
        return add(kHeap, 0, std::string(bytes - kWalRecordHeaderBytes, 'x'));
    }
    // Fillers, so that the next record begins at `to`, at least 48 bytes from here.
    void fill_to(Lsn to) {
        while (position() < to) {
            if (position().value % kWalPageBytes == 0) begin_page(0);
            const std::uint64_t page_left = kWalPageBytes - position().value % kWalPageBytes;
            const std::uint64_t left = std::min(to.value - position().value, page_left);
            add_filler(left > 1100 ? 1000 : left);
        }
    }
    WalPlace add_commit(CommitTime time, const std::string& more = "") {
        return add(kXact, more.empty() ? 0x00 : 0x80, main_data(postgres_time(time) + more));
    }
    WalPlace add_abort(CommitTime time) { return add(kXact, 0x20, main_data(postgres_time(time))); }
    WalPlace add_restore_point(const std::string& name, CommitTime time) {
        return add(kXlog, 0x70,
                   main_data(postgres_time(time) + name + std::string(64 - name.size(), '\0')));
    }
    // The record, and zeros to the end of the segment.
    WalPlace add_switch() {
        const Lsn start = add(kXlog, 0x40, "").start;
        while (position().value % options.segment_bytes != 0) bytes_ += '\0';
        return {start, position()};
    }
    void add_zeros(std::size_t count) { bytes_.append(count, '\0'); }
    void add_bytes(std::string_view bytes) { bytes_ += bytes; }

    void begin_page(std::uint32_t remaining) {
        const bool is_long = position().value % options.segment_bytes == 0;
        const int flags = (remaining > 0 ? 1 : 0) | (is_long ? 2 : 0) | extra_flags_;
        extra_flags_ = 0;
        bytes_ += le(options.magic) + le(static_cast<std::uint16_t>(flags)) + le(options.timeline) +
                  le(position().value) + le(remaining) + le(std::uint32_t{0});
        if (is_long)
            bytes_ += le(std::uint64_t{7001}) +
                      le(static_cast<std::uint32_t>(options.segment_bytes)) +
                      le(std::uint32_t{8192});
    }
    // The next page says that the record open before it was lost.
    void next_page_overwrites() { extra_flags_ = 8; }

    static constexpr std::uint8_t kXlog = 0;
    static constexpr std::uint8_t kXact = 1;
    static constexpr std::uint8_t kHeap = 10;

  private:
    [[nodiscard]] std::string make_record(std::uint8_t resource_manager, std::uint8_t info,
                                          const std::string& body) const {
        const std::string header = le(static_cast<std::uint32_t>(body.size() + 24)) +
                                   le(std::uint32_t{733}) + le(previous_.value) + le(info) +
                                   le(resource_manager) + le(std::uint16_t{0});
        return header + le(crc32c(crc32c(0, as_bytes(body)), as_bytes(header))) + body;
    }
    void put(std::string_view record, std::size_t count) {
        for (std::size_t done = 0; done < count;) {
            if (position().value % kWalPageBytes == 0)
                begin_page(static_cast<std::uint32_t>(record.size() - done));
            const std::uint64_t room = kWalPageBytes - position().value % kWalPageBytes;
            const std::string_view part = record.substr(done, std::min(room, count - done));
            bytes_ += part;
            done += part.size();
        }
    }
    void end_record(Lsn start) {
        previous_ = start;
        while (position().value % kWalAlignment != 0) bytes_ += '\0';
    }

    std::string bytes_;
    Lsn begin_;
    Lsn previous_;
    int extra_flags_ = 0;
};

// What a reader told, as lines that a test can compare.
class ToldRecords final : public WalVisitor {
  public:
    std::vector<std::string> lines;  // of the records that mean something
    std::vector<WalPlace> places;    // of all
    void on_record(const WalRecord& record) override {
        places.push_back({record.start, record.end});
        if (record.kind != WalRecord::Kind::other) lines.push_back(line(record));
    }

  private:
    static std::string line(const WalRecord& record) {
        return fmt::format("{} {} to {}{}", what(record), to_text(record.start),
                           to_text(record.end), detail(record));
    }
    static std::string_view what(const WalRecord& record) {
        switch (record.kind) {
            case WalRecord::Kind::commit:
                return "commit";
            case WalRecord::Kind::commit_prepared:
                return "commit prepared";
            case WalRecord::Kind::abort:
                return "abort";
            case WalRecord::Kind::abort_prepared:
                return "abort prepared";
            case WalRecord::Kind::restore_point:
                return "restore point";
            case WalRecord::Kind::timeline_change:
                return "timeline change";
            case WalRecord::Kind::log_switch:
                return "switch";
            case WalRecord::Kind::minimal_level:
                return "minimal level";
            case WalRecord::Kind::other:
                break;
        }
        return "other";
    }
    static std::string detail(const WalRecord& record) {
        if (record.kind == WalRecord::Kind::log_switch ||
            record.kind == WalRecord::Kind::minimal_level)
            return "";
        if (record.kind == WalRecord::Kind::timeline_change)
            return fmt::format(" from {} to {}", record.previous_timeline, record.timeline);
        return fmt::format(" at {}{}{}", to_iso8601_us(record.time), record.name.empty() ? "" : " ",
                           record.name);
    }
};

}  // namespace asb::test
