#include "ops/verify_chain.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/chain_damage.hpp"
#include "ops/opened.hpp"
#include "ops/recovery.hpp"
#include "ops/recovery_reader.hpp"
#include "ops/recovery_text.hpp"
#include "ops/verify.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;

// What a chain that does not verify means: `damaged` when something of it is missing, and what
// mends it or can be reached all the same.
Error explained(const OpsContext& context, const RecoveryWish& wish, Error error) {
    if (error.code != Code::unreachable_target)
        return chain_damage_told(context, wish, std::move(error));
    const auto planning = plan_wish(context, wish);
    if (!planning || planning->target.kind != LogTarget::Kind::position) return error;
    const auto* why = std::get_if<Unreachable>(&planning->planned);
    if (why == nullptr) return error;
    auto broken = broken_chain_error(
        *why, planning->target, position_text_of(planning->engine.get()), planning->store->place());
    const auto holder = whole_elsewhere(context, wish, *planning);
    return holder.empty() ? broken : with_hint(std::move(broken), mended_from(holder));
}

Status verify_link(const OpsContext& context, const ResolvedRecovery& resolved,
                   const std::string& name) {
    ASB_TRY(const auto archive,
            open_archive_with(*resolved.store, name, resolved.source.keys_of(name)));
    context.progress.begin_stage(fmt::format("verify {}", name), archive.read.manifest.plain_bytes);
    const auto verified = verify_archive(context, archive);
    if (!verified) return verified.error().within(name);
    return {};
}

Status verify_archives(const OpsContext& context, const ResolvedRecovery& resolved,
                       const std::vector<std::string>& names) {
    for (const auto& name : names) ASB_CHECK(verify_link(context, resolved, name));
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

Result<Report> verify(const OpsContext& context, const RecoveryWish& wish) {
    const auto started = Clock::now();
    ASB_TRY(const auto resolved, resolve_recovery(context, wish));
    const auto names = links_of(resolved.source.spans, resolved.base);
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

}  // namespace

Result<Report> verify_chain(const OpsContext& context, const std::string& reference) {
    const RecoveryWish wish{.words = {}, .backup = reference};
    auto report = verify(context, wish);
    if (!report) return explained(context, wish, std::move(report.error()));
    return report;
}

}  // namespace asb
