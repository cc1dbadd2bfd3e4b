#pragma once
// Why this exists: a position in the oplog must not be taken for a number of seconds.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace asb {

// A BSON timestamp: seconds since 1970 and the ordinal within that second.
struct OpTime {
    std::uint32_t seconds = 0;
    std::uint32_t increment = 0;
    friend auto operator<=>(const OpTime&, const OpTime&) = default;
    [[nodiscard]] bool is_set() const { return seconds != 0 || increment != 0; }
};

// "1795379725:3"
std::string to_text(const OpTime& optime);
// The inverse of to_text; anything else is `usage`.
Result<OpTime> parse_optime(std::string_view text);

}  // namespace asb
