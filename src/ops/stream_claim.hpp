#pragma once
// Why this exists: two streams of one log would keep everything twice; so each claims the log
// first.

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "engine/log.hpp"
#include "ops/sources.hpp"

namespace asb {

// The stream writes to the destination named `first`, or, when that is empty or cannot be reached,
// to the one with which one gets furthest; mirrors bring the log to the others
// (ops/log_mirrors.hpp).
struct LogDestinations {
    Stores first;
    std::vector<Place> others;
    std::size_t required = 1;  // of all
};
Result<LogDestinations> open_log_destinations(const OpsContext& context, const std::string& first);

// The claim is held as long as the writer lives, and leaves nothing. `busy` while another stream
// has it; `store` when the backup that the log goes on from is not there: nothing is made then.
// Sweeps what a killed stream was writing.
Result<std::unique_ptr<ObjectWriter>> claim_log(const Stores& stores, const LogTail& tail,
                                                Log& diary);

}  // namespace asb
