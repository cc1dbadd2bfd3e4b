#include "ops/verify_chain.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/recovery.hpp"
#include "ops/recovery_reader.hpp"
#include "ops/verify.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

// The backups of the chain, the full one first, each once.
std::vector<std::string> links_of(const ResolvedRecovery& resolved) {
    auto names = backups_of(resolved.source.spans);
    std::erase(names, resolved.base);
    names.insert(names.begin(), resolved.base);
    return names;
}

Status verify_archives(const OpsContext& context, const ResolvedRecovery& resolved,
                       const std::vector<std::string>& names) {
    for (const auto& name : names) {
        ASB_TRY(const auto archive,
                open_archive_with(*resolved.store, name, resolved.source.keys_of(name)));
        context.progress.begin_stage(fmt::format("verify {}", name),
                                     archive.read.manifest.plain_bytes);
        const auto verified = verify_archive(context, archive);
        if (!verified) return verified.error().within(name);
    }
    return {};
}

// Every record of the log, in order: the parser of each engine proves that one follows the other.
Result<std::uint64_t> verify_log(const OpsContext& context, const ResolvedRecovery& resolved) {
    ASB_TRY(const auto reader,
            RecoveryReader::open(resolved.source, context.drivers, context.stop));
    const LogTarget everything{
        .kind = LogTarget::Kind::latest, .time = {}, .position = {}, .name = {}, .text = "latest"};
    ASB_TRY(const auto search, reader->engine().search_log(everything, resolved.source.head.facts));
    context.progress.begin_stage("verify the log", 0);
    std::uint64_t bytes = 0;
    for (const auto& span : resolved.source.spans)
        ASB_CHECK(reader->read(span, [&](const LogPoint& start, Bytes piece) {
            bytes += piece.size();
            context.progress.add(piece.size());
            return search->feed(start, piece);
        }));
    return bytes;
}

}  // namespace

Result<Report> verify_chain(const OpsContext& context, const std::string& reference) {
    const auto started = Clock::now();
    ASB_TRY(const auto resolved, resolve_recovery(context, {.words = {}, .backup = reference}));
    const auto names = links_of(resolved);
    context.log.info("verify of the chain from {} begins", resolved.base);
    ASB_CHECK(verify_archives(context, resolved, names));
    ASB_TRY(const auto log_bytes, verify_log(context, resolved));
    const auto objects = static_cast<std::uint64_t>(std::ranges::count_if(
        resolved.source.spans, [](const SourceSpan& span) { return !span.object.empty(); }));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    context.log.info("verify of the chain from {} ended well", resolved.base);

    Report report;
    report.text = fmt::format(
        "the chain from {} is good: {} and {} of streamed log, {} of log without a gap, checked in "
        "{}\n{}",
        resolved.base, counted(names.size(), "backup"), counted(objects, "object"),
        human_bytes(log_bytes), human_duration(took), resolved.text);
    report.document = {{"chain", names},
                       {"log_objects", objects},
                       {"log_bytes", log_bytes},
                       {"recovery", resolved.document},
                       {"duration_ms", took.count()}};
    return report;
}

}  // namespace asb
