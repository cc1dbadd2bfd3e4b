#include "engine/postgres/lsn.hpp"

#include <charconv>
#include <optional>

namespace asb {
namespace {

std::optional<std::uint32_t> parse_half(std::string_view hex) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
    if (hex.empty() || error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
    return value;
}

}  // namespace

std::string to_text(Lsn lsn) {
    return fmt::format("{:X}/{:X}", lsn.value >> 32, lsn.value & 0xffffffffU);
}

Result<Lsn> parse_lsn(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto high = parse_half(text.substr(0, slash));
    const auto low = slash == std::string_view::npos ? std::optional<std::uint32_t>()
                                                     : parse_half(text.substr(slash + 1));
    if (!high || !low) return fail(Code::database, "\"{}\" is not a WAL position", text);
    return Lsn{(std::uint64_t{*high} << 32) | *low};
}

Lsn segment_start(Lsn lsn, std::uint64_t segment_bytes) {
    return Lsn{lsn.value - lsn.value % segment_bytes};
}

std::string wal_file_name(std::uint32_t timeline, Lsn lsn, std::uint64_t segment_bytes) {
    const std::uint64_t segment = lsn.value / segment_bytes;
    const std::uint64_t per_id = (std::uint64_t{1} << 32) / segment_bytes;
    return fmt::format("{:08X}{:08X}{:08X}", timeline, segment / per_id, segment % per_id);
}

std::string history_file_name(std::uint32_t timeline) {
    return fmt::format("{:08X}.history", timeline);
}

}  // namespace asb
