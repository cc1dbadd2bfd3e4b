#include "ops/stream_limits.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"

namespace asb {
namespace {

Result<std::uint64_t> bounded(const Settings& settings, std::string_view name, std::uint64_t least,
                              std::uint64_t most) {
    const auto value = settings.number(name);
    if (value >= least && value <= most) return value;
    return with_hint(fail(Code::usage, "{}={} is not possible", name, value),
                     fmt::format("set {} to a number from {} to {}", name, least, most));
}

}  // namespace

Result<StreamLimits> read_stream_limits(const Settings& settings) {
    StreamLimits limits;
    ASB_TRY(const auto megabytes, bounded(settings, "STREAM_OBJECT_MB", 1, 16));
    ASB_TRY(const auto seconds, bounded(settings, "STREAM_SECONDS", 1, 3600));
    ASB_TRY(limits.seal_objects, bounded(settings, "STREAM_SEAL_OBJECTS", 2, 100'000));
    limits.object_bytes = megabytes * kMiB;
    limits.every = std::chrono::seconds(seconds);
    limits.synchronous = settings.flag("STREAM_SYNCHRONOUS");
    return limits;
}

}  // namespace asb
