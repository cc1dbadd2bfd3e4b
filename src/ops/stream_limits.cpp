#include "ops/stream_limits.hpp"

#include "base/bytes.hpp"
#include "ops/context.hpp"

namespace asb {
Result<StreamLimits> read_stream_limits(const Settings& settings) {
    StreamLimits limits;
    ASB_TRY(const auto megabytes, number_between(settings, "STREAM_OBJECT_MB", 1, 16));
    ASB_TRY(const auto seconds, number_between(settings, "STREAM_SECONDS", 1, 3600));
    ASB_TRY(limits.seal_objects, number_between(settings, "STREAM_SEAL_OBJECTS", 2, 100'000));
    limits.object_bytes = megabytes * kMiB;
    limits.every = std::chrono::seconds(seconds);
    limits.synchronous = settings.flag("STREAM_SYNCHRONOUS");
    return limits;
}

}  // namespace asb
