#include "engine/mongodb/optime.hpp"

#include <limits>

#include "base/text.hpp"

namespace asb {

std::string to_text(const OpTime& optime) {
    return fmt::format("{}:{}", optime.seconds, optime.increment);
}

Result<OpTime> parse_optime(std::string_view text) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
    const auto colon = text.find(':');
    const auto seconds = parse_u64(text.substr(0, colon));
    const auto increment = colon == std::string_view::npos ? std::optional<std::uint64_t>()
                                                           : parse_u64(text.substr(colon + 1));
    if (!seconds || !increment || *seconds > kMax || *increment > kMax)
        return with_hint(fail(Code::usage, "'{}' is not a position in the oplog", printable(text)),
                         "write it as SECONDS:ORDINAL, as in 1795379725:3");
    return OpTime{static_cast<std::uint32_t>(*seconds), static_cast<std::uint32_t>(*increment)};
}

}  // namespace asb
