#pragma once
// Why this exists: what every verb gets and what every verb gives back.

#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/settings.hpp"
#include "base/stop.hpp"
#include "ops/drivers.hpp"

namespace asb {

struct OpsContext {
    const Settings& settings;
    const Drivers& drivers;
    Log& log;
    Progress& progress;
    StopToken stop;
    std::string tool_version;
};

// For what opens stores; borrows from the context.
inline StoreContext store_context(const OpsContext& context) {
    return {.settings = context.settings, .log = context.log, .stop = context.stop};
}

// What a verb found out or did: a text for people, a document for programs, and how it went.
// `outcome` is ok or incomplete (or, for check, the worst line's code): a verb that failed returns
// an Error instead.
struct Report {
    std::string text;
    Json document = Json::object();
    std::optional<Code> outcome;  // absent: ok
};

// A number that must lie from `least` to `most`; `usage` with the setting's name otherwise.
Result<std::uint64_t> number_between(const Settings& settings, std::string_view name,
                                     std::uint64_t least, std::uint64_t most);

// Threads for compression, fetching and the like: BACKUP_JOBS, or the cores.
std::size_t job_count(const Settings& settings);

}  // namespace asb
