#pragma once
// Why this exists: Stores write times as RFC 3339 with any number of fractional digits and, in
// some replies, with an offset; base/clock.hpp reads the product's own form only.

#include <optional>
#include <string_view>

#include "base/clock.hpp"

namespace asb::remote {

// "2024-01-15T02:00:00Z", "2024-01-15T02:00:00.123456Z", "2024-01-15T03:00:00+01:00"; finer than a
// millisecond is dropped. nullopt for anything else.
std::optional<Instant> parse_rfc3339(std::string_view text);

}  // namespace asb::remote
