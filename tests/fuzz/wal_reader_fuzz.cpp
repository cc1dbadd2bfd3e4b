// Any bytes as WAL, as the body of a record whose checksum is right, and as the text of times. The
// first byte says how: bit 0, where to start; the rest, how large the pieces are. What is told must
// not depend on the pieces, and must be in the order of the log.

#include "engine/postgres/wal_reader.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "engine/postgres/wal_test_pages.hpp"
#include "engine/postgres/wal_times.hpp"

namespace {

using namespace asb;
using test::kTestSegment;

// What a reader told, in words, after checking that it can be.
class Checked final : public WalVisitor {
  public:
    explicit Checked(Lsn start) : end_(start) {}
    std::string text;
    void on_record(const WalRecord& record) override {
        ASB_ASSERT(record.start >= end_ && record.end > record.start);
        ASB_ASSERT(record.end.value % kWalAlignment == 0);
        end_ = record.end;
        told_.on_record(record);
        times_.on_record(record);
    }
    void finish(const WalReader& reader, const Status& status) {
        text = fmt::format("{} {} {} {}", told_.places.size(), fmt::join(told_.lines, "\n"),
                           reader.log_ended(), status.ok() ? "" : status.error().fact);
        if (status.ok() && reader.last_record()) ASB_ASSERT(reader.record_end() >= end_);
        const auto again = parse_wal_times(to_text(times_.times()));
        ASB_ASSERT(again.ok() && again.value() == times_.times());
    }

  private:
    Lsn end_;
    test::ToldRecords told_;
    WalTimesCollector times_{kTestSegment};
};

std::string read(Bytes wal, const WalReader::Options& options, std::size_t piece_bytes) {
    Checked checked(options.start);
    WalReader reader(options, checked);
    Status status;
    while (!wal.empty() && status.ok()) {
        const Bytes piece = wal.first(std::min(piece_bytes, wal.size()));
        status = reader.feed(piece);
        wal = wal.subspan(piece.size());
    }
    checked.finish(reader, status);
    return checked.text;
}

void read_both_ways(Bytes wal, const WalReader::Options& options, std::size_t piece_bytes) {
    const std::string whole = read(wal, options, wal.size() + 1);
    ASB_ASSERT(read(wal, options, piece_bytes) == whole);
}

// The page's own address, so that real pages are read and changed ones get far.
Lsn address_in(Bytes wal) {
    constexpr std::uint64_t kHighest = std::uint64_t{1} << 63;  // that addresses cannot wrap around
    if (wal.size() < kWalShortHeaderBytes) return Lsn{kTestSegment};
    const auto address = load_wal<std::uint64_t>(wal, 8) % kHighest;
    return Lsn{address - address % kWalPageBytes};
}

// Resource manager, info, a quarter of the length, body; and so on: what the
// checksum keeps out of the other way. Not a switch, after which nothing is read.
void read_as_records(Bytes input, std::size_t piece_bytes) {
    test::WalPages pages(Lsn{3 * kTestSegment - kWalPageBytes});
    while (input.size() > 2) {
        const auto manager = std::to_integer<std::uint8_t>(input[0]);
        const auto info = std::to_integer<std::uint8_t>(input[1]);
        const auto length =
            std::min<std::size_t>(input.size() - 3, 4 * std::to_integer<std::size_t>(input[2]));
        const bool is_switch = manager == 0 && (info & 0xf0) == 0x40;
        if (is_switch) break;
        pages.add(manager % 3, info, std::string(as_text(input.subspan(3, length))));
        input = input.subspan(3 + length);
    }
    read_both_ways(as_bytes(pages.bytes()), {.segment_bytes = kTestSegment, .start = pages.begin()},
                   piece_bytes);
}

void read_as_times(Bytes input) {
    const auto times = parse_wal_times(as_text(input));
    if (times.ok()) ASB_ASSERT(to_text(times.value()) == as_text(input));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes wal = std::as_bytes(std::span(data + 1, size - 1));
    const std::size_t piece_bytes = std::size_t{1} + data[0] / 2;
    const auto kind = data[0] % 2 == 0 ? WalReader::Start::at_record : WalReader::Start::anywhere;
    read_both_ways(wal, {kTestSegment, address_in(wal), kind}, piece_bytes);
    read_as_records(wal, piece_bytes);
    read_as_times(wal);
    return 0;
}
