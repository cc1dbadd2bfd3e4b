#include "ops/hold.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "base/text.hpp"
#include "ops/destinations.hpp"
#include "repo/hold.hpp"
#include "repo/names.hpp"
#include "repo/recovery_target.hpp"

namespace asb {
namespace {

// Does `work` in each destination that can be reached; the others are named in the report.
Status in_each(const OpsContext& context, Report& report,
               const std::function<Status(const Destination&)>& work) {
    ASB_TRY(const auto destinations, look_at_repositories(context));
    for (const auto& destination : destinations) {
        auto done = destination.failed ? Status(*destination.failed) : work(destination);
        ASB_CHECK(context.stop.check());
        if (done.ok()) continue;
        if (destinations.size() == 1) return done;
        report.text += fmt::format("NOT DONE in {}: {}\n", destination.name, done.error().fact);
        report.outcome = Code::incomplete;
    }
    return {};
}

std::string describe(const Hold& hold) {
    if (!hold.problem.empty())
        return fmt::format("{}  in force: its document cannot be read: {}", hold.backup,
                           printable(hold.problem));
    return fmt::format("{}  {}  {}  {}  {}", hold.backup, hold.id,
                       hold.expires_at ? "until " + to_readable(*hold.expires_at)
                                       : std::string("until it is lifted"),
                       printable(hold.owner), printable(hold.reason));
}

Json to_json(const Hold& hold) {
    Json json = {{"backup", hold.backup},
                 {"id", hold.id},
                 {"owner", printable(hold.owner)},
                 {"reason", printable(hold.reason)},
                 {"in_force", hold.is_in_force(now())}};
    if (hold.problem.empty()) json["created_at"] = to_iso8601(hold.created_at);
    if (hold.expires_at) json["expires_at"] = to_iso8601(*hold.expires_at);
    if (!hold.problem.empty()) json["problem"] = printable(hold.problem);
    return json;
}

Result<Report> list_holds(const OpsContext& context) {
    Report report;
    report.document = {{"holds", Json::array()}};
    std::map<std::string, Hold> all;  // the same hold lies in each destination
    const auto work = [&](const Destination& destination) -> Status {
        ASB_TRY(auto holds, load_holds(*destination.reader));
        for (auto& hold : holds) all.try_emplace(hold.backup + hold.id, std::move(hold));
        return {};
    };
    ASB_CHECK(in_each(context, report, work));
    for (const auto& [key, hold] : all) {
        report.text +=
            fmt::format("{}{}\n", describe(hold), hold.is_in_force(now()) ? "" : "  (ended)");
        report.document["holds"].push_back(to_json(hold));
    }
    if (all.empty()) report.text += "no holds\n";
    return report;
}

Result<std::optional<Instant>> parse_until(const std::string& text) {
    if (text.empty()) return std::optional<Instant>();
    ASB_TRY(const auto time, parse_target_time(text));
    return std::optional(std::chrono::time_point_cast<std::chrono::milliseconds>(time));
}

Result<Report> add_hold(const OpsContext& context, const HoldRequest& request) {
    ASB_TRY(const auto reference, resolve_backup(context, request.backup));
    ASB_TRY(const auto until, parse_until(request.until));
    ASB_TRY(const auto hold,
            make_hold(reference.name, request.reason, request.owner, now(), until));
    Report report;
    std::size_t held = 0;
    const auto work = [&](const Destination& destination) -> Status {
        const auto present = destination.reader->open(manifest_key(hold.backup));
        if (!present && present.error().code == Code::not_found) return {};
        if (!present) return present.error();
        ASB_TRY(const auto stores, open_stores(context, destination.place));
        ASB_CHECK(stores.appender->put(hold_key(hold), as_bytes(to_text(hold))));
        report.text += fmt::format("held in {}\n", destination.name);
        ++held;
        return {};
    };
    ASB_CHECK(in_each(context, report, work));
    if (held == 0)
        return with_hint(fail(Code::not_found, "there is no backup {}", printable(hold.backup)),
                         "restore --list shows what there is");
    report.text += describe(hold) + "\n";
    report.document = to_json(hold);
    return report;
}

Result<Report> remove_hold(const OpsContext& context, const HoldRequest& request) {
    Report report;
    std::size_t lifted = 0;
    const auto work = [&](const Destination& destination) -> Status {
        ASB_TRY(const auto objects, destination.reader->list(kHoldPrefix));
        std::vector<ObjectKey> keys;
        for (const auto& object : objects)
            if (object.key.text().ends_with(fmt::format(".{}.json", request.id)))
                keys.push_back(object.key);
        if (keys.empty()) return {};
        ASB_TRY(const auto stores, open_stores(context, destination.place));
        ASB_TRY(const auto kept, stores.eraser->erase_all(keys));
        if (!kept.empty())
            return with_hint(
                fail(Code::refused, "{} keeps {}, because of a lock or a hold of its own",
                     destination.name, kept.front().text()),
                "lift that in the store first");
        report.text += fmt::format("lifted in {}\n", destination.name);
        lifted += keys.size();
        return {};
    };
    ASB_CHECK(in_each(context, report, work));
    if (lifted == 0 && !report.outcome)
        return with_hint(fail(Code::not_found, "there is no hold {}", printable(request.id)),
                         "hold list shows them");
    report.document = {{"id", request.id}, {"lifted", lifted}};
    return report;
}

}  // namespace

Result<Report> run_hold(const OpsContext& context, const HoldRequest& request) {
    switch (request.action) {
        case HoldRequest::Action::add:
            return add_hold(context, request);
        case HoldRequest::Action::remove:
            return remove_hold(context, request);
        case HoldRequest::Action::list:
            break;
    }
    return list_holds(context);
}

}  // namespace asb
