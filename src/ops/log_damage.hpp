#pragma once
// Why this exists: an object of a streamed log whose bytes changed in their place has the right
// name and the right length. Only reading it shows that, and only with the key.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ops/context.hpp"
#include "repo/log_coverage.hpp"

namespace asb {

struct DamagedLogObject {
    std::string log;
    LogRange range;
    ObjectKey key;
    std::string problem;
};

// What one repository holds of its logs.
struct ExaminedLogs {
    std::map<std::string, LogCoverage> good;  // by log
    std::vector<DamagedLogObject> damaged;
    std::vector<std::string> unread;  // why a log could not be examined
};

// Reads every object of `logs`. Only a store that fails is an error.
Result<ExaminedLogs> examine_logs(const OpsContext& context, StoreReader& store,
                                  const std::set<std::string>& logs);

}  // namespace asb
