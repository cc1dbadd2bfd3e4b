#include "ops/recovery_text.hpp"

#include <algorithm>
#include <memory>
#include <set>

#include "base/text.hpp"
#include "ops/sources.hpp"

namespace asb {
namespace {

using Kind = LogTarget::Kind;
using Why = Unreachable::Why;

// Runs of objects are one line; a plan over more backups than this is cut short for people.
constexpr std::size_t kLinesMax = 20;

std::string said(const LogTarget& target) {
    if (target.kind == Kind::latest) return "the newest instant that is kept";
    auto text = printable(target.text);
    switch (target.kind) {
        case Kind::position:
            return target.name.empty() ? "position " + text
                                       : "the end of " + printable(target.name);
        case Kind::limit:
            return "the entry before " + text;
        case Kind::name:
            return fmt::format("the restore point '{}'", text);
        default:
            return text;
    }
}

// What of the log is read, for people: a backup, or a run of objects.
struct Stage {
    std::string backup;  // empty: objects
    std::size_t objects = 0;
    LogPoint from;
    LogPoint to;
};

std::vector<Stage> stages_of(const LogHistory& history, const RecoveryPlan& plan) {
    std::vector<Stage> stages;
    for (const auto& planned : plan.spans) {
        const LogSpan& span = history.logs[plan.log].spans[planned.span];
        if (span.backup == plan.base.backup) continue;
        const bool is_object = span.backup == LogSpan::kObject;
        const auto name = is_object ? std::string() : history.backups[span.backup];
        if (stages.empty() || stages.back().backup != name)
            stages.push_back({.backup = name,
                              .objects = 0,
                              .from = {.line = planned.range.line, .at = planned.range.start},
                              .to = {}});
        stages.back().objects += is_object ? 1 : 0;
        stages.back().to = {.line = planned.range.line, .at = planned.range.end};
    }
    return stages;
}

std::string text_of(const Stage& stage, const PositionText& position) {
    const auto what = stage.backup.empty() ? counted(stage.objects, "log object") : stage.backup;
    return fmt::format("    {}: {} to {}\n", what, position(stage.from), position(stage.to));
}

std::string log_text(const LogHistory& history, const RecoveryPlan& plan,
                     const PositionText& position) {
    const auto stages = stages_of(history, plan);
    if (stages.empty()) return "  log: none beyond what that backup holds\n";
    std::string text = "  then the log:\n";
    for (std::size_t i = 0; i < std::min(stages.size(), kLinesMax); ++i)
        text += text_of(stages[i], position);
    if (stages.size() > kLinesMax)
        text += fmt::format("    and {} more, up to {}\n", stages.size() - kLinesMax,
                            position(plan.end));
    return text;
}

std::string lines_text(const RecoveryPlan& plan, const PositionText& with_line) {
    const auto position = without_line(with_line);
    std::string text;
    for (const auto& branch : plan.branches)
        text += fmt::format("  line {} goes on from line {} at {}\n", branch.line, branch.parent,
                            position({.line = branch.line, .at = branch.at}));
    if (plan.left_behind)
        text += fmt::format(
            "  attention: line {} is not the newest; line {} shares its past up to {} only, and "
            "does not have what comes after that\n",
            plan.end.line, plan.left_behind->line,
            position({.line = plan.end.line, .at = plan.left_behind->at}));
    return text;
}

std::string others_text(const LogHistory& history, const RecoveryPlan& plan) {
    std::string text;
    for (const auto& other : plan.others)
        text += fmt::format(
            "  attention: another log reaches this instant too: log {} from {} on; restore "
            "--backup-file {} --target-time {} restores that one\n",
            printable(history.logs[other.log].id), history.backups[other.base],
            history.backups[other.base], printable(shell_quote(plan.target.text)));
    return text;
}

std::string mark_text(CommitTime at, const LogPoint& point, const PositionText& position) {
    return fmt::format("{}, at {}", to_iso8601_us(at), position(point));
}

// The last one in is named by its end, so that --target-position of that brings it back.
std::string stop_text(const LogSearch::Found& found, const PositionText& position) {
    std::string text;
    if (found.last_in)
        text += fmt::format("  last transaction in: {}\n",
                            mark_text(found.last_in->at, found.last_in->end, position));
    text += found.first_out
                ? fmt::format("  first one left out: {}\n",
                              mark_text(found.first_out->at, found.first_out->begin, position))
                : std::string("  first one left out: none; nothing was committed after that\n");
    return text;
}

Json json_of(CommitTime at, const LogPoint& point, const PositionText& position) {
    return {{"position", position(point)}, {"time", to_iso8601_us(at)}};
}

std::string instant_text(const ReachableInstant& instant, const PositionText& position) {
    return fmt::format("{} ({})", to_iso8601_us(instant.time), position(instant.point));
}

bool is_one_line(const Unreachable& why) {
    if (why.on_other_line) return false;
    std::set<std::uint32_t> lines;
    if (why.before) lines.insert(why.before->point.line);
    if (why.after) lines.insert(why.after->point.line);
    if (why.gap) lines.insert({why.gap->from.line, why.gap->to.line});
    return lines.size() <= 1;
}

std::string gap_text(const LogGap& gap, const PositionText& position) {
    return fmt::format("nothing covers {} to {}", position(gap.from), position(gap.to));
}

std::string no_base_text(const std::string& place) {
    return fmt::format("no full backup is kept{} from which its log goes on",
                       place.empty() ? "" : " in " + printable(place));
}

std::string reason(const Unreachable& why, const PositionText& position, const std::string& place) {
    switch (why.why) {
        case Why::no_base:
            return no_base_text(place);
        case Why::unknown_line:
            return "nothing of that line of the log is kept";
        case Why::before_first:
            return "it is before the first backup is consistent";
        case Why::after_end:
            return fmt::format("it is after the end of what is kept: the newest instant is {}",
                               instant_text(*why.before, position));
        case Why::no_name:
            return "nothing that is kept has a restore point of that name";
        case Why::gap:
            break;
    }
    if (!why.gap) return "it is between the end of one log and the beginning of the next";
    return "it is in a gap: " + gap_text(*why.gap, position);
}

// Where there is nothing at all, the place is most often the wrong one.
std::string no_base_hint(const std::string& place) {
    constexpr const char* kBegin =
        "auth-service-backup backup --type full begins a chain; list shows what there is";
    if (place.empty()) return kBegin;
    return fmt::format("check that {} is the right place, and mounted; if it is, {}",
                       printable(place), kBegin);
}

// Nothing can be reached after `before`.
std::string last_hint(const Unreachable& why, const PositionText& position) {
    const auto nearest = instant_text(*why.before, position);
    if (!why.gap)
        return fmt::format(
            "the nearest one is {}; if the database still runs, backup --type "
            "incremental takes what came after it",
            nearest);
    return fmt::format(
        "the nearest one is {} before it; {}, and what is kept behind that gap cannot be reached "
        "without what is missing: look for another copy of it; list shows which parent is missing",
        nearest, gap_text(*why.gap, position));
}

std::string nearest_hint(const Unreachable& why, const PositionText& position,
                         const std::string& place) {
    if (why.on_other_line)
        return fmt::format("line {} has it: --target-position '{}'", why.on_other_line->line,
                           position(*why.on_other_line));
    if (why.why == Why::no_base) return no_base_hint(place);
    if (!why.before && !why.after) return "auth-service-backup list shows what can be reached";
    if (!why.before)
        return fmt::format("the earliest instant is {}", instant_text(*why.after, position));
    if (!why.after) return last_hint(why, position);
    return fmt::format("the nearest ones are {} before it and {} after it",
                       instant_text(*why.before, position), instant_text(*why.after, position));
}

Json json_of(const LogHistory& history, const std::optional<ReachableInstant>& instant,
             const PositionText& position) {
    if (!instant) return nullptr;
    return {{"time", to_iso8601_us(instant->time)},
            {"position", position(instant->point)},
            {"line", instant->point.line},
            {"base", history.backups[instant->base]}};
}

}  // namespace

PositionText position_text_of(const Engine* engine) {
    return [engine](const LogPoint& point) {
        return engine != nullptr ? engine->position_text(point) : point_text(point.at);
    };
}

PositionText position_text_of(const OpsContext& context, const std::string& engine) {
    auto opened = open_engine_named(context, engine);
    if (!opened) return position_text_of(nullptr);
    const std::shared_ptr<Engine> shared = std::move(*opened);
    return [shared](const LogPoint& point) { return shared->position_text(point); };
}

PositionText without_line(const PositionText& position) {
    return [position](const LogPoint& point) { return position({.line = 0, .at = point.at}); };
}

std::string recovery_text(const LogHistory& history, const RecoveryPlan& plan,
                          const PositionText& with_line,
                          const std::optional<LogSearch::Found>& found) {
    const bool stays_on_line = plan.branches.empty() && !plan.left_behind;
    const auto position = stays_on_line ? without_line(with_line) : with_line;
    std::string text = fmt::format("recovery to {}\n", said(plan.target));
    text += fmt::format("  base: {}, consistent at {} ({})\n", history.backups[plan.base.backup],
                        to_iso8601_us(plan.base.consistent_at), position(plan.base.consistent));
    text += log_text(history, plan, position);
    text += lines_text(plan, position);
    text += others_text(history, plan);
    if (found) text += stop_text(*found, position);
    if (!found && plan.target.kind == Kind::name)
        text +=
            "  the name was not looked for: only restore --dry-run reads the log to find it, with "
            "the key\n";
    return text;
}

Json recovery_json(const LogHistory& history, const RecoveryPlan& plan,
                   const PositionText& with_line, const std::optional<LogSearch::Found>& found) {
    const auto position = without_line(with_line);
    Json json = {{"reachable", true},
                 {"target", plan.target.kind == Kind::latest ? "latest" : plan.target.text},
                 {"engine", history.logs[plan.log].engine},
                 {"log", history.logs[plan.log].id},
                 {"base", history.backups[plan.base.backup]},
                 {"consistent_at", to_iso8601_us(plan.base.consistent_at)},
                 {"line", plan.end.line},
                 {"log_end", position(plan.end)},
                 {"stages", Json::array()}};
    for (const auto& stage : stages_of(history, plan)) {
        Json item = {{"from", position(stage.from)}, {"to", position(stage.to)}};
        if (stage.backup.empty())
            item["objects"] = stage.objects;
        else
            item["backup"] = stage.backup;
        json["stages"].push_back(std::move(item));
    }
    if (plan.target.kind == Kind::name) json["name_checked"] = found.has_value();
    if (plan.left_behind)
        json["left_behind_at"] = position({.line = plan.end.line, .at = plan.left_behind->at});
    for (const auto& other : plan.others)
        json["other_logs"].push_back(
            {{"log", history.logs[other.log].id}, {"base", history.backups[other.base]}});
    if (found && found->last_in)
        json["last_in"] = json_of(found->last_in->at, found->last_in->end, position);
    if (found && found->first_out)
        json["first_out"] = json_of(found->first_out->at, found->first_out->begin, position);
    return json;
}

Error unreachable_error(const Unreachable& why, const LogTarget& target,
                        const PositionText& with_line, const std::string& place) {
    const auto position = is_one_line(why) ? without_line(with_line) : with_line;
    return with_hint(fail(Code::unreachable_target, "{} cannot be reached: {}", said(target),
                          reason(why, position, place)),
                     nearest_hint(why, position, place));
}

Error broken_chain_error(const Unreachable& why, const LogTarget& target,
                         const PositionText& with_line, const std::string& place) {
    const auto position = is_one_line(why) ? without_line(with_line) : with_line;
    const auto& name = target.name.empty() ? target.text : target.name;
    return with_hint(fail(Code::damaged, "the chain of {} is broken: {}", printable(name),
                          why.gap ? gap_text(*why.gap, position) : no_base_text(place)),
                     nearest_hint(why, position, place));
}

Json unreachable_json(const LogHistory& history, const Unreachable& why,
                      const PositionText& with_line, const std::string& place) {
    const auto position = without_line(with_line);
    Json json = {{"reachable", false},
                 {"reason", reason(why, position, place)},
                 {"nearest_before", json_of(history, why.before, position)},
                 {"nearest_after", json_of(history, why.after, position)}};
    if (why.on_other_line) json["on_other_line"] = why.on_other_line->line;
    if (why.gap)
        json["gap"] = {{"from_position", position(why.gap->from)},
                       {"to_position", position(why.gap->to)}};
    return json;
}

}  // namespace asb
