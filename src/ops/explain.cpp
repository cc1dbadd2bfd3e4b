#include "ops/explain.hpp"

#include "ops/recovery.hpp"
#include "ops/recovery_text.hpp"

namespace asb {

Result<Report> explain_target(const OpsContext& context, const RecoveryWish& wish) {
    ASB_TRY(const auto planning, plan_wish(context, wish));
    const auto position = position_text_of(planning.engine.get());
    Report report;
    if (const auto* plan = std::get_if<RecoveryPlan>(&planning.planned)) {
        report.text = recovery_text(planning.history, *plan, position, std::nullopt);
        report.document = recovery_json(planning.history, *plan, position, std::nullopt);
        return report;
    }
    const auto& why = std::get<Unreachable>(planning.planned);
    const auto place = planning.store->place();
    report.text = to_text(unreachable_error(why, planning.target, position, place)) + "\n";
    report.document = unreachable_json(planning.history, why, position, place);
    report.outcome = Code::unreachable_target;
    return report;
}

}  // namespace asb
