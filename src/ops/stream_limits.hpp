#pragma once
// Why this exists: how large and how old a piece of streamed log may be before it is kept.

#include <chrono>

#include "base/settings.hpp"

namespace asb {

struct StreamLimits {
    std::size_t object_bytes = 0;
    std::chrono::seconds every{};
    bool synchronous = false;
    std::size_t seal_objects = 0;
};

// STREAM_OBJECT_MB, STREAM_SECONDS, STREAM_SYNCHRONOUS, STREAM_SEAL_OBJECTS; `usage` for a value
// that is not possible.
Result<StreamLimits> read_stream_limits(const Settings& settings);

}  // namespace asb
