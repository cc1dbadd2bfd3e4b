#include "ops/explain.hpp"

#include "ops/recovery.hpp"
#include "ops/recovery_text.hpp"

namespace asb {

Result<Report> explain_target(const OpsContext& context, const TargetWords& words) {
    ASB_TRY(const auto planning, plan_wish(context, {.words = words, .backup = {}}));
    const auto position = position_text_of(planning.engine.get());
    Report report;
    if (const auto* plan = std::get_if<RecoveryPlan>(&planning.planned)) {
        report.text = recovery_text(planning.history, *plan, position, std::nullopt);
        report.document = recovery_json(planning.history, *plan, position, std::nullopt);
        return report;
    }
    const auto& why = std::get<Unreachable>(planning.planned);
    report.text = to_text(unreachable_error(why, planning.target, position)) + "\n";
    report.document = unreachable_json(planning.history, why, position);
    report.outcome = Code::unreachable_target;
    return report;
}

}  // namespace asb
