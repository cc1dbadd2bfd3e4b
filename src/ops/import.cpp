#include "ops/import.hpp"

#include "base/text.hpp"
#include "ops/restore_parts.hpp"
#include "ops/sources.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

// The engine whose stock tool makes such dumps.
constexpr std::string_view kEngine = "mongodb";
constexpr std::string_view kComponent = "database";

Status check_request(const RestoreOptions& options) {
    const auto& request = options.request;
    if (!options.staging.empty())
        return with_hint(fail(Code::usage, "--staging does not go with --from-mongodump"),
                         "the dump itself waits until it is restored; leave --staging out");
    if (request.components != std::vector<std::string>{std::string(kComponent)})
        return with_hint(fail(Code::usage, "a mongodump holds a database and nothing else"),
                         "leave out --components");
    if (!request.only.empty())
        return with_hint(fail(Code::usage, "--only does not go with --from-mongodump"),
                         "restore all of the dump, or take a part of it with mongorestore "
                         "--nsInclude");
    return {};
}

Result<Report> plan(const std::string& path, const std::vector<Part>& parts) {
    Report report;
    report.text = fmt::format("dry run: the mongodump {} would be restored\n", printable(path));
    report.document = {{"dry_run", true}, {"name", printable(path)}};
    ASB_CHECK(add_plans(parts, report));
    report.text += "nothing was written\n";
    return report;
}

}  // namespace

Result<Report> run_import(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    const auto& path = options.from_mongodump;
    ASB_CHECK(check_request(options));
    const SessionContext session{context.log, context.progress, context.stop};
    ASB_TRY(const auto engine, open_engine_named(context, kEngine));
    ASB_TRY(const auto facts, engine->import_facts(path, session));
    const Json engines = {{std::string(kEngine), facts}};
    ASB_TRY(const auto parts, choose_parts(context, options.request, engines, path));
    if (options.dry_run) return plan(path, parts);

    context.log.info("restore of the mongodump {} begins", printable(path));
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    context.progress.begin_stage("restore", 0);
    ASB_CHECK(parts.front().engine->import_dump(path, sessions.router,
                                                {context.log, context.progress, context.stop}));
    ASB_CHECK(publish_all(context, sessions));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("restore of the mongodump {} ended well: {} ms", printable(path),
                     took.count());
    return describe(sessions, printable(path), took);
}

}  // namespace asb
