#include "ops/verify.hpp"

#include "base/text.hpp"
#include "ops/consistency.hpp"
#include "ops/opened.hpp"

namespace asb {
namespace {

// Entries that only have to be right, not to be anywhere.
class NowhereSink final : public EntrySink {
  public:
    Status begin(const EntryHeader& /*header*/) override { return {}; }
    Status write(Bytes /*bytes*/) override { return {}; }
    Status end() override { return {}; }
};

}  // namespace

Status verify_archive(const OpsContext& context, const OpenArchive& archive) {
    NowhereSink nowhere;
    return read_archive(archive, nowhere,
                        {.threads = job_count(context.settings),
                         .progress = &context.progress,
                         .stop = context.stop});
}

Result<Report> verify_backup(const OpsContext& context, const std::string& reference) {
    const auto started = std::chrono::steady_clock::now();
    ASB_TRY(const auto opened, open_backup(context, reference));
    const Manifest& manifest = opened.archive.read.manifest;
    context.log.info("verify of {} begins", manifest.name);
    context.progress.begin_stage("verify", manifest.plain_bytes);
    ASB_CHECK(verify_archive(context, opened.archive));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    context.log.info("verify of {} ended well: {} entries, {} bytes", manifest.name,
                     manifest.entry_count, manifest.plain_bytes);

    Report report;
    report.text = fmt::format(
        "{}: good, to the last byte\n  {} entries, {} of data in {} stored, checked in {}\n",
        manifest.name, manifest.entry_count, human_bytes(manifest.plain_bytes),
        human_bytes(manifest.body_length), human_duration(took));
    if (!manifest.encryption)
        report.text +=
            "  not encrypted: the digests show damage, but nothing proves who wrote it\n";
    report.text += consistency_line(manifest);
    report.document = {{"name", manifest.name},
                       {"inconsistent", is_inconsistent(manifest)},
                       {"entries", manifest.entry_count},
                       {"plain_bytes", manifest.plain_bytes},
                       {"stored_bytes", manifest.body_length},
                       {"authenticated", manifest.encryption.has_value()},
                       {"duration_ms", took.count()}};
    return report;
}

}  // namespace asb
