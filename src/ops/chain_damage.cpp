#include "ops/chain_damage.hpp"

#include <algorithm>

#include "ops/opened.hpp"
#include "repo/log_coverage.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

bool names(const Error& error, const std::string& piece) {
    return !piece.empty() && error.fact.find(piece) != std::string::npos;
}

// The span that the error is about; null: none of the plan's.
const SourceSpan* damaged_span(const std::vector<SourceSpan>& spans, const Error& error) {
    const auto found = std::ranges::find_if(spans, [&](const SourceSpan& span) {
        return names(error, span.backup) || names(error, span.object);
    });
    return found == spans.end() ? nullptr : &*found;
}

// Objects are merged in each repository by itself: what counts is what they cover.
bool covers(StoreReader& store, const std::string& log_id, const LogRange& range) {
    LogCoverage coverage;
    const auto visited =
        visit_log(store, log_id, [&](std::string_view /*key*/, const LogName& name) {
            if (name.kind == LogName::Kind::object) coverage.add(name.object.range);
        });
    return visited.ok() && coverage.covers(range);
}

// Nothing that was committed by then is missing at the end of a backup of the plan; kNoTime: not
// known.
CommitTime end_of(const LogHistory& history, const RecoveryPlan& plan, const std::string& name) {
    if (name == history.backups[plan.base.backup]) return plan.base.consistent_at;
    CommitTime end = kNoTime;
    for (const auto& span : history.logs[plan.log].spans)
        if (span.backup != LogSpan::kObject && history.backups[span.backup] == name)
            end = std::max(end, span.covered_until);
    return end;
}

// To stop at the end of the backup before the damaged one needs nothing of that.
std::string way_around(const LogHistory& history, const RecoveryPlan& plan, const Error& error) {
    const auto links =
        links_of(recovery_source(history, plan).spans, history.backups[plan.base.backup]);
    const auto damaged =
        std::ranges::find_if(links, [&](const std::string& name) { return names(error, name); });
    if (damaged == links.begin())
        return "restore --target-time with an earlier instant, from an older full backup; explain "
               "says what can be reached";
    if (damaged == links.end())
        return "restore --target-time with an earlier instant; explain says what can be reached";
    const auto& before = *std::prev(damaged);
    const auto end = end_of(history, plan, before);
    return fmt::format("without it, restore --backup-file {} reaches where that one ends{}", before,
                       end == kNoTime ? "" : ", " + to_iso8601_us(end));
}

std::string holder_of_piece(const OpsContext& context, const Planning& planning,
                            const RecoveryPlan& plan, const Error& error) {
    const auto spans = recovery_source(planning.history, plan).spans;
    const auto* span = damaged_span(spans, error);
    const auto& base = planning.history.backups[plan.base.backup];
    if (span == nullptr && !names(error, base)) return {};
    const auto here = planning.store->place();
    if (span == nullptr || !span->backup.empty()) {
        const auto& name = span == nullptr ? base : span->backup;
        return other_holder(
            context, here,
            [&](const OpsContext& /*hasty*/, const Place& /*place*/, StoreReader& store) {
                return store.open(manifest_key(name)).ok();
            });
    }
    const auto& log_id = planning.history.logs[plan.log].id;
    return other_holder(context, here,
                        [&](const OpsContext& /*hasty*/, const Place& /*place*/,
                            StoreReader& store) { return covers(store, log_id, span->range); });
}

}  // namespace

std::vector<std::string> links_of(const std::vector<SourceSpan>& spans, const std::string& base) {
    auto names = backups_of(spans);
    std::erase(names, base);
    names.insert(names.begin(), base);
    return names;
}

Error chain_damage_told(const OpsContext& context, const RecoveryWish& wish, Error error) {
    if (error.code != Code::damaged) return error;
    const auto planning = plan_wish(context, wish);
    const auto* plan = planning ? std::get_if<RecoveryPlan>(&planning->planned) : nullptr;
    if (plan == nullptr) return error;
    const auto holder = holder_of_piece(context, *planning, *plan, error);
    if (holder.empty() && !error.hint.empty()) return error;
    auto hint = way_around(planning->history, *plan, error);
    if (!holder.empty()) hint = fmt::format("{}; {}", mended_from(holder), hint);
    return with_hint(std::move(error), std::move(hint));
}

std::string whole_elsewhere(const OpsContext& context, const RecoveryWish& wish,
                            const Planning& planning) {
    return other_holder(context, planning.store->place(),
                        [&](const OpsContext& hasty, const Place& place, StoreReader& /*store*/) {
                            const auto there = plan_wish_at(hasty, wish, place);
                            return there && std::holds_alternative<RecoveryPlan>(there->planned);
                        });
}

}  // namespace asb
