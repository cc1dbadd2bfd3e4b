#pragma once
// Why this exists: the few text conversions that more than one room needs.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace asb {

std::string to_hex(Bytes bytes);
// Lower- or upper-case hex; anything else is `damaged`.
Result<std::vector<std::byte>> parse_hex(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);

// "1.2 GiB", "333 MiB", "12 B"
std::string human_bytes(std::uint64_t bytes);
// "820 ms", "4.2 s", "3 min 05 s", "2 h 10 min"
std::string human_duration(std::chrono::milliseconds duration);

// "1 backup", "2 backups"
std::string counted(std::uint64_t count, std::string_view noun);

// Decimal, no sign, no leading zero, no overflow; anything else is nullopt.
std::optional<std::uint64_t> parse_u64(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);
// Text as a person may see it on a terminal: control characters and bytes that are not UTF-8 become
// \xNN.
std::string printable(std::string_view text);
// A word that a POSIX shell reads back unchanged.
std::string shell_quote(std::string_view text);
// The candidate with the smallest edit distance, when it is near enough to be what was meant; else
// empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace asb
