#include "engine/postgres/wal_trace.hpp"

#include <algorithm>

#include "codec/digest.hpp"

namespace asb {
namespace {

constexpr std::size_t kKeptBytesMin = 64 * kKiB;
constexpr std::size_t kKeptBytesMax = 2 * kKeptBytesMin;
// Records begin at multiples of this (MAXALIGN on all platforms that PostgreSQL 15 runs on).
constexpr std::uint64_t kRecordAlignment = 8;

Lsn page_start(Lsn lsn) {
    return Lsn{lsn.value - lsn.value % kWalPageBytes};
}

}  // namespace

WalTrace::WalTrace(std::uint64_t segment_bytes, Lsn start, WalReader::Start kind)
    : start_(start),
      collector_(segment_bytes),
      reader_({.segment_bytes = segment_bytes, .start = start, .kind = kind}, collector_) {}

Status WalTrace::feed(Bytes bytes) {
    ASB_CHECK(reader_.feed(bytes));
    last_bytes_ += as_text(bytes.last(std::min(bytes.size(), kKeptBytesMin)));
    if (last_bytes_.size() > kKeptBytesMax)
        last_bytes_.erase(0, last_bytes_.size() - kKeptBytesMin);
    return {};
}

Lsn WalTrace::boundary() const {
    const auto end = reader_.record_end();
    if (!end) return start_;
    if (*end <= position()) return *end;
    // Only padding is missing, or the unused rest of a segment: the latter belongs to its switch
    // record.
    if (end->value - position().value < kRecordAlignment) return position();
    return reader_.last_record().value_or(start_);
}

std::uint64_t WalTrace::last_record() const {
    const auto last = reader_.last_record();
    return last && *last < boundary() ? last->value : 0;
}

std::string WalTrace::hole() const {
    const auto until = minimal_until();
    if (!until) return {};
    return fmt::format(
        "the server ran with wal_level=minimal at {}, and no recovery gets over what it wrote then",
        to_text(*until));
}

Json WalTrace::proof(Lsn end) const {
    const Lsn kept_from{position().value - last_bytes_.size()};
    Lsn from = end.value == 0 ? end : page_start(Lsn{end.value - 1});
    from = std::clamp(from, std::min(kept_from, end), end);
    if (from < kept_from) from = end;
    const auto bytes = from == end
                           ? std::string_view()
                           : std::string_view(last_bytes_)
                                 .substr(from.value - kept_from.value, end.value - from.value);
    return {{"from", point_text(from.value)}, {"sha256", to_hex(sha256(as_bytes(bytes)))}};
}

WalReader::Start start_kind(const Json& tail) {
    const auto inside = tail.find(kInsideRecord);
    const bool is_inside = inside != tail.end() && *inside == true;
    return is_inside ? WalReader::Start::anywhere : WalReader::Start::at_record;
}

Result<WalProof> parse_wal_proof(const Json& tail) {
    const auto from = tail.is_object() && tail.contains("from") && tail["from"].is_string()
                          ? parse_point(tail["from"].get<std::string>())
                          : std::nullopt;
    if (!from || !tail.contains("sha256") || !tail["sha256"].is_string())
        return fail(Code::damaged, "the last backup does not say how its WAL ended");
    return WalProof{Lsn{*from}, tail["sha256"].get<std::string>()};
}

}  // namespace asb
