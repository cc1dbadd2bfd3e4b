#include "ops/staged_restore.hpp"
#include "ops/consistency.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "codec/tar_format.hpp"
#include "io/file.hpp"
#include "ops/opened.hpp"
#include "ops/plain_folders.hpp"
#include "ops/restore_parts.hpp"
#include "ops/staging_folder.hpp"
#include "repo/archive_writer.hpp"

namespace asb {
namespace {

constexpr const char* kPrepareAnew = "remove the folder and prepare the restore anew";

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds since(Clock::time_point started) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
}

// What stands in a request is looked at again later, perhaps from another folder.
Status make_absolute(std::string& path) {
    if (path.empty()) return {};
    ASB_TRY(path, absolute_path(path, Code::refused));
    return {};
}

Result<RestoreRequest> with_absolute_paths(RestoreRequest request) {
    ASB_CHECK(make_absolute(request.target_dir));
    ASB_CHECK(make_absolute(request.files_dir));
    for (auto& [from, to] : request.tablespaces) ASB_CHECK(make_absolute(to));
    return request;
}

// The bytes that the parts' entries take in a tar stream, with room for long names and for the
// list at its end.
std::uint64_t staged_bytes(const ArchiveContents& contents, const std::vector<Part>& parts,
                           const std::optional<Selection>& selection) {
    constexpr std::uint64_t kEntryBytes = 2048;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < contents.entries.size(); ++i) {
        const auto& entry = contents.entries[i];
        const bool is_read = selection ? selection->chosen[i] : belongs_to(parts, entry.name);
        if (is_read) sum += kEntryBytes + entry.size + tar::padding_of(entry.size);
    }
    return sum;
}

Status check_space(const OpsContext& context, const OpenArchive& archive, const Reading& reading,
                   const std::vector<Part>& parts, const StagingFolder& folder) {
    ArchiveContents list;
    if (!reading.contents) {
        ASB_TRY(list, read_contents(archive, read_options(context)));
    }
    const auto needed =
        staged_bytes(reading.contents ? *reading.contents : list, parts, reading.selection);
    ASB_TRY(const auto room, free_space(folder.path()));
    if (needed <= room) return {};
    return with_hint(fail(Code::space, "the prepared restore needs {}, and {} has room for {}",
                          human_bytes(needed), printable(folder.path()), human_bytes(room)),
                     "free some space there, or name a folder on another disk with --staging");
}

// The manifest of what is staged: the backup's, with the figures of the staged body.
Manifest staged_manifest(Manifest manifest, const ArchiveSummary& summary,
                         const std::string& index) {
    manifest.compressed = false;
    manifest.encryption.reset();
    manifest.body_length = summary.index.body_length;
    manifest.plain_bytes = summary.plain_bytes;
    manifest.entry_count = summary.entry_count;
    manifest.inner_manifest_offset = summary.inner_manifest_offset;
    manifest.index_digest = sha256(as_bytes(index));
    return manifest;
}

Result<StagedRestore> write_staged(const OpsContext& context, const OpenArchive& archive,
                                   const Reading& reading, const std::vector<Part>& parts,
                                   StagingFolder& folder) {
    ASB_TRY(const auto body, folder.create_body());
    ArchiveWriter writer(
        *body,
        {.compressed = false, .keys = {}, .salt = {}, .threads = job_count(context.settings)});
    auto router = route_to(parts, writer);
    ASB_CHECK(read_into(context, archive, reading, router));
    ASB_TRY(const auto summary, writer.finish());
    StagedRestore staged;
    staged.index = to_text(summary.index);
    staged.manifest = staged_manifest(archive.read.manifest, summary, staged.index);
    return staged;
}

std::string publish_command(const std::string& folder) {
    return fmt::format("auth-service-backup restore --resume --staging {}", shell_quote(folder));
}

void describe_prepared(const StagedRestore& staged, const Reading& reading,
                       const StagingFolder& folder, std::chrono::milliseconds took,
                       Report& report) {
    const Manifest& manifest = staged.manifest;
    const auto command = publish_command(folder.path());
    report.text = fmt::format(
        "{} is prepared in {} ({}): {} entries, {}, checked\n{}"
        "the target was not touched; to publish it:\n  {}\n",
        manifest.name, printable(folder.path()), human_duration(took), manifest.entry_count,
        human_bytes(manifest.plain_bytes), report.text, printable(command));
    report.document.update({{"prepared", true},
                            {"name", manifest.name},
                            {"staging", printable(folder.path())},
                            {"entries", manifest.entry_count},
                            {"plain_bytes", manifest.plain_bytes},
                            {"stored_bytes_read", reading.stored_bytes},
                            {"publish", printable(command)},
                            {"duration_ms", took.count()}});
}

Result<Report> dry_run(const Manifest& manifest, const std::vector<Part>& parts,
                       const Reading& reading, const std::string& staging) {
    Report report;
    report.text = fmt::format("dry run: {} would be prepared in {}\n  {}\n", manifest.name,
                              printable(staging), what_is_read(reading));
    report.document = {{"dry_run", true},
                       {"name", manifest.name},
                       {"staging", printable(staging)},
                       {"stored_bytes", reading.stored_bytes},
                       {"plain_bytes", reading.plain_bytes}};
    ASB_CHECK(add_plans(parts, report));
    report.text += "nothing was written\n";
    return report;
}

// An option that was said again must say the same.
Status check_same(std::string_view option, const std::string& said, const std::string& recorded) {
    if (said.empty() || said == recorded) return {};
    return with_hint(fail(Code::usage, "{} {} contradicts what was prepared ({})", option,
                          printable(said), recorded.empty() ? "nothing" : printable(recorded)),
                     "leave it out with --resume, or prepare the restore anew");
}

std::string listed(std::vector<std::string> words) {
    std::sort(words.begin(), words.end());
    return join(words, ",");
}

std::string listed(const std::vector<std::pair<std::string, std::string>>& tablespaces) {
    std::vector<std::string> words;
    words.reserve(tablespaces.size());
    for (const auto& [from, to] : tablespaces) words.push_back(fmt::format("{}={}", from, to));
    return listed(std::move(words));
}

Status check_not_contradicted(const RestoreOptions& options, const StagedRestore& staged) {
    ASB_TRY(const auto said, with_absolute_paths(options.request));
    const auto& recorded = staged.request;
    if (options.backup != staged.manifest.name)
        ASB_CHECK(check_same("--backup-file", options.backup, staged.backup));
    ASB_CHECK(check_same("--target-dir", said.target_dir, recorded.target_dir));
    ASB_CHECK(check_same("--files-dir", said.files_dir, recorded.files_dir));
    ASB_CHECK(check_same("--tablespace", listed(said.tablespaces), listed(recorded.tablespaces)));
    ASB_CHECK(check_same("--only", listed(said.only), listed(recorded.only)));
    if (options.components_named)
        ASB_CHECK(check_same("--components", listed(said.components), listed(recorded.components)));
    if (said.all_databases && !recorded.all_databases)
        return check_same("--all-databases", "said", "one database");
    return {};
}

// What waits in a folder of ours can be made anew.
Status hinted(Status status) {
    if (status.ok() || status.error().code != Code::damaged) return status;
    return with_hint(std::move(status.error()), kPrepareAnew);
}

// What the engines are told of the entries that wait.
Status tell_chosen(const OpsContext& context, const OpenArchive& archive,
                   std::vector<Part>& parts) {
    ASB_TRY(const auto contents, read_contents(archive, read_options(context)));
    for (auto& part : parts) {
        part.request.data_bytes = 0;
        for (const auto& entry : stored_entries(contents)) {
            if (!belongs_to(part, entry.name)) continue;
            part.request.data_bytes += entry.size;
            if (!part.request.only.empty()) part.request.chosen.push_back(entry);
        }
    }
    return {};
}

RestoreRequest merged(const RestoreRequest& recorded, const RestoreRequest& said,
                      const std::string& work) {
    RestoreRequest request = recorded;
    request.force = recorded.force || said.force;
    request.drop_old = recorded.drop_old || said.drop_old;
    request.jobs = said.jobs;
    request.staging_dir = work;
    return request;
}

}  // namespace

Result<Report> prepare_restore(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    ASB_TRY(const auto opened, open_backup(context, options.backup));
    const OpenArchive& archive = opened.archive;
    const Manifest& manifest = archive.read.manifest;
    ASB_TRY(auto request, with_absolute_paths(options.request));
    ASB_TRY(request.staging_dir, StagingFolder::work_below(options.staging));
    ASB_TRY(auto parts, choose_parts_of(context, request, options.components_named, manifest));
    ASB_TRY(const auto reading, choose_reading(context, archive, parts));
    if (options.dry_run) return dry_run(manifest, parts, reading, options.staging);

    Report report;
    ASB_CHECK(add_plans(parts, report));
    ASB_TRY(const auto folder, StagingFolder::prepare(options.staging));
    ASB_CHECK(check_space(context, archive, reading, parts, *folder));
    context.log.info("{} is being prepared in {}", manifest.name, folder->path());
    ASB_TRY(auto staged, write_staged(context, archive, reading, parts, *folder));
    staged.backup = options.backup;
    staged.request = request;
    staged.request.components = components_of(parts);
    staged.made_folder = folder->was_made();
    ASB_CHECK(context.stop.check());
    ASB_CHECK(folder->finish(staged));
    context.log.info("{} is prepared: {} entries, {} bytes", manifest.name,
                     staged.manifest.entry_count, staged.manifest.plain_bytes);
    describe_prepared(staged, reading, *folder, since(started), report);
    return report;
}

Result<Report> resume_restore(const OpsContext& context, const RestoreOptions& options) {
    const auto started = Clock::now();
    ASB_TRY(const auto folder, StagingFolder::resume(options.staging));
    ASB_TRY(const auto staged, folder->load());
    ASB_CHECK(check_not_contradicted(options, staged));
    ASB_TRY(const auto archive, folder->open_archive(staged));
    ASB_TRY(const auto work, StagingFolder::work_below(folder->path()));
    const auto request = merged(staged.request, options.request, work);
    RestoreOptions recorded;
    recorded.backup = staged.backup;
    recorded.request = request;
    ASB_CHECK(check_plain_folders(context, recorded));
    ASB_TRY(auto parts,
            choose_parts(context, request, staged.manifest.engines, staged.manifest.name));
    ASB_CHECK(hinted(tell_chosen(context, archive, parts)));
    const Reading reading{.contents = {},
                          .selection = {},
                          .stored_bytes = staged.manifest.body_length,
                          .plain_bytes = staged.manifest.plain_bytes};
    if (options.dry_run) return dry_run(staged.manifest, parts, reading, folder->path());

    context.log.info("publication of {}, prepared in {}, begins", staged.manifest.name,
                     folder->path());
    ASB_CHECK(folder->open_work());
    Sessions sessions;
    ASB_CHECK(open_sessions(context, parts, sessions));
    ASB_CHECK(hinted(read_into(context, archive, reading, sessions.router)));
    ASB_CHECK(publish_all(context, sessions));
    context.log.info("restore of {} ended well: {} ms", staged.manifest.name,
                     since(started).count());
    auto report = describe(sessions, staged.manifest.name, since(started));
    report.text += consistency_line(staged.manifest);
    report.document["inconsistent"] = is_inconsistent(staged.manifest);
    sessions.open.clear();  // what they have in the folder goes first
    if (const auto removed = folder->remove(staged.made_folder); !removed.ok()) {
        context.log.warning("what was prepared is still in {}: {}", folder->path(),
                            removed.error().fact);
        const auto note =
            fmt::format("what was prepared is still in {}; remove it", printable(folder->path()));
        report.text += fmt::format("  NOT WHOLE: {}\n", note);
        report.document["incomplete"].push_back(note);
        report.outcome = Code::incomplete;
    }
    return report;
}

}  // namespace asb
