#include "engine/fileset/fileset_session.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/text.hpp"
#include "engine/fileset/no_symlinks.hpp"

namespace asb::fileset {

FilesetSession::FilesetSession(FileSet files, RecordedEnvironment environment,
                               SessionContext context, ReadHook hook,
                               std::optional<KnownLogs> known)
    : files_(std::move(files)),
      environment_(std::move(environment)),
      context_(std::move(context)),
      hook_(std::move(hook)),
      reader_(context_, hook_),
      logs_(reader_, std::move(known)) {
    for (const auto& warning : files_.warnings) facts_.warnings.push_back(warning.what);
    for (const auto& warning : environment_.warnings) facts_.warnings.push_back(warning);
}

std::uint64_t FilesetSession::expected_bytes() const {
    std::uint64_t bytes = environment_.text.size();
    std::set<Identity> counted;
    for (const auto& found : files_.entries) {
        const Identity identity{found.area, found.info.st_dev, found.info.st_ino};
        if (found.type == EntryType::file && counted.insert(identity).second)
            bytes += found.area == kLogArea ? logs_.expected_bytes(found)
                                            : static_cast<std::uint64_t>(found.info.st_size);
    }
    return bytes;
}

std::vector<std::string> FilesetSession::plan() const {
    std::vector<std::string> lines;
    for (const auto& path : files_.paths)
        lines.push_back(fmt::format("{} {}: {}, {}", kAreas.at(path.area).setting,
                                    printable(path.configured), counted(path.files, "file"),
                                    human_bytes(path.bytes)));
    if (environment_.count != 0)
        lines.push_back(fmt::format("ENVIRONMENT_NAMES: {} settings, {}", environment_.count,
                                    human_bytes(environment_.text.size())));
    if (logs_.is_incremental())
        lines.push_back(fmt::format("of the logs only what was written since the last backup: {}",
                                    human_bytes(expected_bytes())));
    return lines;
}

Status FilesetSession::write_entries(EntrySink& sink) {
    ASB_CHECK(store_environment(sink));
    for (const auto& found : files_.entries) ASB_CHECK(store(found, sink));
    ASB_CHECK(logs_.finish(own_header(), sink));
    facts_.engine = summary();
    return {};
}

Status FilesetSession::store_environment(EntrySink& sink) {
    if (environment_.count == 0) return {};
    auto header = own_header();
    header.name = kEnvironmentName;
    header.size = environment_.text.size();
    ASB_CHECK(sink.begin(header));
    ASB_CHECK(sink.write(as_bytes(environment_.text)));
    context_.progress.add(header.size);
    totals_[kConfigArea].entries += 1;
    totals_[kConfigArea].bytes += header.size;
    return sink.end();
}

// Of an entry that stands for no file: ours, as of now.
EntryHeader FilesetSession::own_header() {
    EntryHeader header;
    header.uid = geteuid();
    header.gid = getegid();
    header.user_name = owners_.user_name(geteuid());
    header.group_name = owners_.group_name(getegid());
    header.mtime_seconds =
        std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count();
    return header;
}

Status FilesetSession::store(const Found& found, EntrySink& sink) {
    ASB_CHECK(context_.stop.check());
    if (found.type == EntryType::file) return store_file(found, sink);
    ++totals_.at(found.area).entries;
    return store_bare(header_of(found, found.info), sink);
}

Status FilesetSession::store_bare(const EntryHeader& header, EntrySink& sink) {
    ASB_CHECK(sink.begin(header));
    return sink.end();
}

Status FilesetSession::store_file(const Found& found, EntrySink& sink) {
    if (hook_) hook_(ReadStep::listed, found.path);
    // O_NONBLOCK: should a named pipe stand there by now, opening it must not wait for its writer.
    const auto fd = open_no_symlinks(found.path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!fd.valid()) return not_opened(found, errno);
    struct stat info {};
    if (fstat(fd.get(), &info) != 0)
        return errno_error(errno, "cannot read", printable(found.path));
    if (!S_ISREG(info.st_mode)) {
        report_missing(found, "was replaced by something that is not a file");
        return {};
    }
    ++totals_.at(found.area).entries;
    if (info.st_nlink < 2) return store_content(found, fd.get(), info, sink);
    const auto [name, is_new] =
        stored_.try_emplace({found.area, info.st_dev, info.st_ino}, found.name);
    if (is_new) return store_content(found, fd.get(), info, sink);
    if (found.area != kLogArea || !logs_.is_incremental())
        return store_link(found, info, name->second, sink);
    // The first name may have no entry that a link could lead to.
    if (logs_.add_link(found.name, name->second)) return {};
    return store_content(found, fd.get(), info, sink);
}

Status FilesetSession::store_link(const Found& found, const struct stat& info,
                                  const std::string& first, EntrySink& sink) {
    auto header = header_of(found, info);
    header.type = EntryType::hard_link;
    header.link_target = first;
    return store_bare(header, sink);
}

Status FilesetSession::store_content(const Found& found, int fd, const struct stat& info,
                                     EntrySink& sink) {
    const auto fill_header = [&](EntryHeader& header, const struct stat& now_at) {
        fill(header, now_at);
    };
    ReadOutcome outcome;
    if (found.area == kLogArea) {
        ASB_TRY(outcome, logs_.store(found, fd, info, fill_header, sink));
    } else {
        EntryHeader header;
        header.name = found.name;
        ASB_TRY(outcome,
                reader_.store(fd, found.path, std::move(header), fill_header, false, sink));
    }
    totals_.at(found.area).bytes += outcome.bytes;
    note(found, outcome);
    return {};
}

Status FilesetSession::not_opened(const Found& found, int error) {
    if (error == ENOENT) {
        report_missing(found, "vanished before it was read");
        return {};
    }
    if (error == ELOOP || error == ENOTDIR || error == ENXIO) {
        report_missing(found, "was replaced by something that is not a file");
        return {};
    }
    return unreadable_error(found.path, error, false);
}

// Logs are rotated away all the time; anything else that is gone leaves a hole in the backup.
void FilesetSession::report_missing(const Found& found, std::string_view what) {
    auto text = fmt::format("{} {}", printable(found.name), what);
    auto& list = found.area == kLogArea ? facts_.warnings : facts_.incomplete;
    list.push_back(std::move(text));
}

void FilesetSession::note(const Found& found, const ReadOutcome& outcome) {
    if (outcome.note.empty()) return;
    auto text = fmt::format("{} {}", printable(found.name), outcome.note);
    if (outcome.is_whole)
        context_.log.debug("{}", text);
    else
        facts_.incomplete.push_back(std::move(text));
}

EntryHeader FilesetSession::header_of(const Found& found, const struct stat& info) {
    EntryHeader header;
    header.name = found.name;
    header.type = found.type;
    header.link_target = found.link_target;
    fill(header, info);
    return header;
}

void FilesetSession::fill(EntryHeader& header, const struct stat& info) {
    constexpr mode_t kPermissionBits = 07777;
    header.mode = info.st_mode & kPermissionBits;
    header.uid = info.st_uid;
    header.gid = info.st_gid;
    header.user_name = owners_.user_name(info.st_uid);
    header.group_name = owners_.group_name(info.st_gid);
    header.mtime_seconds = info.st_mtim.tv_sec;
    header.mtime_nanoseconds = static_cast<std::uint32_t>(info.st_mtim.tv_nsec);
}

Json FilesetSession::summary() const {
    Json document = Json::object();
    for (std::size_t area = 0; area < kAreas.size(); ++area)
        document[std::string(kAreas.at(area).component)] = {{"entries", totals_.at(area).entries},
                                                            {"bytes", totals_.at(area).bytes}};
    if (logs_.is_incremental()) document["logs"]["whole_bytes"] = logs_.whole_bytes();
    return document;
}

}  // namespace asb::fileset
