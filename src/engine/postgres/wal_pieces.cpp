#include "engine/postgres/wal_pieces.hpp"

#include <algorithm>
#include <charconv>

#include "engine/postgres/rehoming_sink.hpp"

namespace asb {
namespace {

constexpr std::size_t kSegmentNameDigits = 24;
constexpr std::size_t kOffsetDigits = 8;

std::optional<std::uint32_t> parse_digits(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    const bool upper = std::ranges::none_of(text, [](char c) { return c >= 'a' && c <= 'f'; });
    if (error != std::errc() || end != text.data() + text.size() || !upper) return std::nullopt;
    return value;
}

}  // namespace

std::string wal_piece_name(std::uint32_t timeline, Lsn start, std::uint64_t segment_bytes) {
    const auto name =
        fmt::format("{}/{}", kWalRangesFolder, wal_file_name(timeline, start, segment_bytes));
    const auto offset = start.value % segment_bytes;
    return offset == 0 ? name : fmt::format("{}.{:08X}", name, offset);
}

std::optional<WalPieceName> parse_wal_piece_name(std::string_view name,
                                                 std::uint64_t segment_bytes) {
    const bool is_range = name.starts_with(kWalRangesFolder);
    if (!is_range && !name.starts_with(kWalFolder)) return std::nullopt;
    name.remove_prefix(is_range ? kWalRangesFolder.size() : kWalFolder.size());
    const bool whole = name.size() == 1 + kSegmentNameDigits;
    if (!name.starts_with('/') || (!whole && name.size() != 2 + kSegmentNameDigits + kOffsetDigits))
        return std::nullopt;
    name.remove_prefix(1);
    if (!whole && name[kSegmentNameDigits] != '.') return std::nullopt;
    const auto timeline = parse_digits(name.substr(0, 8));
    const auto high = parse_digits(name.substr(8, 8));
    const auto low = parse_digits(name.substr(16, 8));
    const auto offset =
        whole ? std::optional<std::uint32_t>(0) : parse_digits(name.substr(kSegmentNameDigits + 1));
    const std::uint64_t per_id = (std::uint64_t{1} << 32) / segment_bytes;
    if (!timeline || !high || !low || !offset || *low >= per_id || *offset >= segment_bytes)
        return std::nullopt;
    return WalPieceName{*timeline,
                        Lsn{(std::uint64_t{*high} * per_id + *low) * segment_bytes + *offset}};
}

std::uint64_t WalPieces::left_in_piece() const {
    const auto end = Lsn{start_.value + held_.size()};
    const auto in_segment = segment_bytes_ - end.value % segment_bytes_;
    return std::min<std::uint64_t>(in_segment, kWalPieceBytesMax - held_.size());
}

Status WalPieces::flush() {
    if (held_.empty()) return {};
    ASB_CHECK(push_small_entry(sink_, wal_piece_name(timeline_, start_, segment_bytes_), held_));
    start_.value += held_.size();
    held_.clear();
    return {};
}

Status WalPieces::write(Bytes bytes) {
    while (!bytes.empty()) {
        const auto left = left_in_piece();
        const auto count = std::min<std::uint64_t>(left, bytes.size());
        held_ += as_text(bytes.first(count));
        bytes = bytes.subspan(count);
        if (count == left) ASB_CHECK(flush());
    }
    return {};
}

Result<Lsn> WalPieces::finish(Lsn end) {
    const auto wanted = end > start_ ? end.value - start_.value : 0;
    held_.resize(std::min<std::uint64_t>(wanted, held_.size()));
    ASB_CHECK(flush());
    return start_;
}

Status push_small_entry(EntrySink& sink, const std::string& name, std::string_view text) {
    ASB_CHECK(sink.begin({.name = name, .size = text.size()}));
    ASB_CHECK(sink.write(as_bytes(text)));
    return sink.end();
}

}  // namespace asb
