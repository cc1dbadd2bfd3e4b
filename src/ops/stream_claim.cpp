#include "ops/stream_claim.hpp"

#include <algorithm>

#include "ops/destinations.hpp"
#include "ops/log_presence.hpp"

namespace asb {

Result<LogDestinations> open_log_destinations(const OpsContext& context,
                                              const std::string& first_name) {
    ASB_TRY(auto found, look_at_destinations(context));
    LogDestinations opened;
    ASB_TRY(opened.required, required_destinations(context.settings, found.size()));
    const auto named = std::ranges::find_if(
        found, [&](const auto& one) { return !one.failed && one.name == first_name; });
    const auto& first = named != found.end() ? *named : furthest_readable(context, found);
    ASB_TRY(opened.first, open_stores(context, first.place));
    for (const auto& destination : found)
        if (&destination != &first) opened.others.push_back(destination.place);
    return opened;
}

Result<std::unique_ptr<ObjectWriter>> claim_log(const Stores& stores, const LogTail& tail,
                                                Log& diary) {
    ASB_CHECK(check_backup_present(*stores.reader, tail.written_by));
    const auto key = ObjectKey::known(fmt::format("{}{}/stream.lock", kLogPrefix, tail.log_id));
    auto claim = stores.appender->create(key);
    if (!claim && claim.error().code == Code::busy)
        return with_hint(fail(Code::busy, "another stream of the log {} is running", tail.log_id),
                         "stop it first, or let it run: one stream is enough");
    if (!claim) return claim;
    if (const auto swept = stores.eraser->sweep_abandoned(); !swept)
        diary.warning("leftovers could not be swept: {}", swept.error().fact);
    return claim;
}

}  // namespace asb
