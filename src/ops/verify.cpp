#include "ops/verify.hpp"

#include <algorithm>

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

// The two ways in which a store may tell the digest of a body that came in parts of a segment each.
std::vector<std::string> expected_checksums(const BodyIndex& index) {
    std::vector<std::string> expected;
    Sha256 digests;
    for (const auto& digest : index.segments) digests.update(digest);
    expected.push_back(
        fmt::format("sha256-parts:{}-{}", to_hex(digests.finish()), index.segments.size()));
    if (index.segments.size() == 1)
        expected.push_back(fmt::format("sha256:{}", to_hex(index.segments.front())));
    return expected;
}

// Whether the store's own digest proves the body; false: it tells none that could be compared.
Result<bool> compare_checksum(const OpenArchive& archive) {
    const auto told = archive.body->checksum();
    if (!told.starts_with("sha256")) return false;
    const auto expected = expected_checksums(archive.index);
    if (std::ranges::find(expected, told) != expected.end()) return true;
    // Parts that are no segments say nothing about segments.
    const auto parts = fmt::format("-{}", archive.index.segments.size());
    if (told.starts_with("sha256-parts:") && !told.ends_with(parts)) return false;
    return fail(Code::damaged,
                "the store holds other bytes under the name of {} than its index says",
                archive.read.manifest.name);
}

}  // namespace

Status verify_archive(const OpsContext& context, const OpenArchive& archive) {
    NowhereSink nowhere;
    return read_archive(archive, nowhere,
                        {.threads = job_count(context.settings),
                         .progress = &context.progress,
                         .stop = context.stop});
}

Result<Report> verify_shallow(const OpsContext& context, const std::string& reference) {
    ASB_TRY(const auto opened, open_backup(context, reference));
    const Manifest& manifest = opened.archive.read.manifest;
    const auto compared = compare_checksum(opened.archive);
    if (!compared) return damage_told(context, *opened.store, manifest.name, compared.error());
    Report report;
    report.text = fmt::format(
        "{} in {}: there, whole in length{}\n  {} stored, nothing of it was downloaded; {}\n",
        manifest.name, opened.store->place(),
        *compared ? ", and with the right digests as the store tells them" : "",
        human_bytes(manifest.body_length),
        *compared ? "verify without --shallow reads it all"
                  : "the store tells no digest that could be compared: only verify without "
                    "--shallow proves the bytes");
    report.document = {{"name", manifest.name},
                       {"repository", opened.store->place()},
                       {"shallow", true},
                       {"checksums_compared", *compared},
                       {"authenticated", manifest.encryption.has_value()},
                       {"stored_bytes", manifest.body_length}};
    return report;
}

Result<Report> verify_backup(const OpsContext& context, const std::string& reference) {
    const auto started = std::chrono::steady_clock::now();
    ASB_TRY(const auto opened, open_backup(context, reference));
    const Manifest& manifest = opened.archive.read.manifest;
    context.log.info("verify of {} begins", manifest.name);
    context.progress.begin_stage("verify", manifest.plain_bytes);
    if (auto verified = verify_archive(context, opened.archive); !verified)
        return damage_told(context, *opened.store, manifest.name, std::move(verified.error()));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    context.log.info("verify of {} ended well: {} entries, {} bytes", manifest.name,
                     manifest.entry_count, manifest.plain_bytes);

    Report report;
    report.text = fmt::format(
        "{} in {}: good, to the last byte\n  {} entries, {} of data in {} stored, checked in {}\n",
        manifest.name, opened.store->place(), manifest.entry_count,
        human_bytes(manifest.plain_bytes), human_bytes(manifest.body_length), human_duration(took));
    if (!manifest.encryption)
        report.text +=
            "  not encrypted: the digests show damage, but nothing proves who wrote it\n";
    report.text += consistency_line(manifest);
    report.document = {{"name", manifest.name},
                       {"repository", opened.store->place()},
                       {"inconsistent", is_inconsistent(manifest)},
                       {"entries", manifest.entry_count},
                       {"plain_bytes", manifest.plain_bytes},
                       {"stored_bytes", manifest.body_length},
                       {"authenticated", manifest.encryption.has_value()},
                       {"duration_ms", took.count()}};
    return report;
}

}  // namespace asb
