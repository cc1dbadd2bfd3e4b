#include "ops/explain.hpp"

#include <algorithm>

#include "ops/recovery_text.hpp"
#include "ops/sources.hpp"
#include "repo/catalog.hpp"

namespace asb {
namespace {

// Whose log is meant; null when nothing says it.
std::unique_ptr<Engine> engine_of(const OpsContext& context, const LogHistory& history) {
    if (auto named = open_database_engine(context)) return std::move(*named);
    const auto newest = std::find_if(history.logs.rbegin(), history.logs.rend(),
                                     [](const DatabaseLog& log) { return !log.bases.empty(); });
    if (newest == history.logs.rend()) return nullptr;
    auto engine = open_engine_named(context, newest->engine);
    return engine ? std::move(*engine) : nullptr;
}

}  // namespace

Result<Report> explain_target(const OpsContext& context, const TargetWords& words) {
    ASB_TRY(const auto place, repository_place(context));
    ASB_TRY(const auto store, place.driver->open_reader(place.location));
    ASB_TRY(const auto catalog, load_catalog(*store, job_count(context.settings)));
    ASB_TRY(auto history, load_log_history(*store, catalog));
    const auto engine = engine_of(context, history);
    if (engine) keep_engine(history, engine->name());
    ASB_TRY(const auto target, parse_target(words, [&](std::string_view text) {
                return engine ? engine->parse_position(text)
                              : fail(Code::usage, "no backup says how a position is written");
            }));
    const PositionText position = [&](const LogPoint& point) {
        return engine ? engine->position_text(point) : point_text(point.at);
    };

    Report report;
    const auto planned = plan_recovery(history, target);
    if (const auto* plan = std::get_if<RecoveryPlan>(&planned)) {
        report.text = recovery_text(history, *plan, position, std::nullopt);
        report.document = recovery_json(history, *plan, position, std::nullopt);
        return report;
    }
    const auto& why = std::get<Unreachable>(planned);
    report.text = to_text(unreachable_error(why, target, position)) + "\n";
    report.document = unreachable_json(history, why, position);
    report.outcome = Code::unreachable_target;
    return report;
}

}  // namespace asb
