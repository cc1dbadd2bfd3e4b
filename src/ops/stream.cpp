#include "ops/stream.hpp"

#include "ops/little_memory.hpp"
#include "ops/stream_run.hpp"
#include "ops/stream_slot.hpp"

namespace asb {

Result<Report> run_stream(const OpsContext& context, const StreamRequest& request) {
    if (request.status) return report_stream_status(context);
    ASB_TRY(const auto limits, read_stream_limits(context.settings));
    keep_little_memory();
    // A stream tries again by itself, and says meanwhile how it stands.
    const BriefContext brief(context);
    for (std::string first;;) {
        ASB_TRY(auto engine, open_database_engine(context));
        ASB_TRY(auto destinations, open_log_destinations(brief.get(), first));
        if (request.drop_slot)
            return drop_stream_slot(context, *engine, *destinations.first.reader);
        if (!engine->has_log())
            return fail(Code::usage, "{} has no log that could be followed", engine->name());
        std::unique_ptr<KeyProvider> keys;
        if (context.settings.flag("ENCRYPTION_ENABLED")) {
            ASB_TRY(keys, open_key_provider(context));
        }
        StreamRun run(context, brief.get(), request, std::move(destinations), limits,
                      std::move(engine), std::move(keys));
        auto ended = run.run();
        if (!run.successor()) return ended;
        first = *run.successor();
        context.log.warning("{}; the stream goes on with {}", ended.fact, first);
    }
}

}  // namespace asb
