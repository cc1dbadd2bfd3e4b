#include "ops/restore_files.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/file_chain.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

std::string chain_line(const FileChain& chain) {
    const auto& last = chain.last->read.manifest.name;
    if (chain.older.empty()) return fmt::format("from {}", last);
    return fmt::format("from {} to {}, {} in all", chain.older.front().read.manifest.name, last,
                       counted(chain.size(), "backup"));
}

Result<Report> plan(const std::vector<Part>& parts, const FileChain& chain,
                    const ChainReading& reading) {
    Report report;
    report.text = fmt::format("dry run: {} would be restored\n  {}\n  {} read, {} of data\n",
                              chain.last->read.manifest.name, chain_line(chain),
                              human_bytes(reading.stored_bytes), human_bytes(reading.plain_bytes));
    report.document = {{"dry_run", true},
                       {"name", chain.last->read.manifest.name},
                       {"backups", chain.size()},
                       {"stored_bytes", reading.stored_bytes},
                       {"plain_bytes", reading.plain_bytes}};
    ASB_CHECK(add_plans(parts, report));
    report.text += "nothing was written\n";
    return report;
}

}  // namespace

bool wants_only_files(const RestoreOptions& options) {
    const auto& components = options.request.components;
    return options.components_named && options.target.empty() &&
           std::ranges::find(components, "database") == components.end();
}

Result<Report> restore_files(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    ASB_TRY(const auto opened, open_backup(context, options.backup));
    const Manifest& manifest = opened.archive.read.manifest;
    ASB_TRY(auto parts,
            choose_parts_of(context, options.request, options.components_named, manifest));
    ASB_TRY(const auto chain, open_file_chain(context, *opened.store, opened.archive));
    if (!chain.broken.empty())
        context.log.warning("the chain of {} is not whole: {}", manifest.name, chain.broken);
    ASB_ASSERT(parts.size() == 1);  // there is one engine of files
    ASB_TRY(const auto reading, choose_chain_reading(context, chain, parts.front()));
    if (options.dry_run) return plan(parts, chain, reading);

    context.log.info("restore of the files of {} begins", manifest.name);
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    context.progress.begin_stage("restore", reading.plain_bytes);
    ASB_CHECK(read_chain_into(context, *opened.store, chain, reading, *sessions.open.front()));
    ASB_CHECK(publish_all(context, sessions));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("restore of the files of {} ended well: {} ms", manifest.name, took.count());
    auto report = describe(sessions, manifest.name, took);
    report.text += fmt::format("  {}\n", chain_line(chain));
    report.document["backups"] = chain.size();
    report.document["stored_bytes_read"] = reading.stored_bytes;
    return report;
}

}  // namespace asb
