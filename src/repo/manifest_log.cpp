#include "repo/manifest_log.hpp"

#include "repo/log_json.hpp"

namespace asb {
namespace {

// A timeline is left by a promotion; nobody has seen a hundred of them in one backup.
constexpr std::size_t kRangesMax = 100;

std::int64_t microseconds(CommitTime time) {
    return time.time_since_epoch().count();
}

Status parse_consistent(LogFields& fields, std::string_view what, LogFacts& facts) {
    if (!fields.has("consistent")) return {};
    const Json object = fields.object("consistent");
    ASB_CHECK(fields.status());
    LogFields consistent(object, what);
    facts.consistent = LogPoint{.line = consistent.line("line"), .at = consistent.point("at")};
    facts.consistent_at = consistent.time("time_us");
    return consistent.status();
}

// One range a line, each beginning where the one before ends.
bool are_contiguous(const std::vector<LogRange>& ranges) {
    for (std::size_t i = 1; i < ranges.size(); ++i)
        if (ranges[i].line <= ranges[i - 1].line || ranges[i].start != ranges[i - 1].end)
            return false;
    return !ranges.empty();
}

}  // namespace

Json to_json(const ManifestLog& log) {
    const LogFacts& facts = log.facts;
    Json document = {{"engine", log.engine},
                     {"id", facts.log_id},
                     {"identity", facts.identity},
                     {"ranges", Json::array()},
                     {"branches", Json::array()},
                     {"commits", facts.times.commits},
                     {"newest_commit_us", microseconds(facts.times.newest_commit)},
                     {"covered_until_us", microseconds(facts.times.covered_until)},
                     {"last_record", point_text(facts.last_record)},
                     {"tail", facts.tail}};
    for (const auto& range : facts.ranges) document["ranges"].push_back(to_json(range));
    for (const auto& branch : facts.branches) document["branches"].push_back(to_json(branch));
    if (facts.consistent)
        document["consistent"] = {{"line", line_text(facts.consistent->line)},
                                  {"at", point_text(facts.consistent->at)},
                                  {"time_us", microseconds(facts.consistent_at)}};
    return document;
}

Result<ManifestLog> parse_manifest_log(const Json& object, std::string_view what) {
    ManifestLog log;
    LogFields fields(object, what);
    log.engine = fields.text("engine");
    LogFacts& facts = log.facts;
    facts.log_id = fields.text("id");
    facts.identity = fields.text("identity");
    ASB_CHECK(parse_list(fields, "ranges", what, parse_range, facts.ranges));
    ASB_CHECK(parse_list(fields, "branches", what, parse_branch, facts.branches));
    if (!are_contiguous(facts.ranges) || facts.ranges.size() > kRangesMax) fields.bad("ranges");
    if (facts.branches.size() > kRangesMax) fields.bad("branches");
    facts.times = {.commits = fields.number("commits"),
                   .newest_commit = fields.time("newest_commit_us"),
                   .covered_until = fields.time("covered_until_us")};
    facts.last_record = fields.point("last_record");
    facts.tail = fields.object("tail");
    ASB_CHECK(parse_consistent(fields, what, facts));
    ASB_CHECK(fields.status());
    return log;
}

}  // namespace asb
