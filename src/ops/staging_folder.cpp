#include "ops/staging_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "ops/staging_state.hpp"

namespace asb {
namespace {

// Long names of our own, so that nobody's file is taken for one of them.
constexpr std::string_view kBody = "auth-service-backup-staged.tar";
constexpr std::string_view kIndex = "auth-service-backup-staged.index";
constexpr std::string_view kState = "auth-service-backup-staged.json";
constexpr std::string_view kStatePart = "auth-service-backup-staged.json.part";
constexpr std::string_view kWork = "auth-service-backup-work";
constexpr std::size_t kStateBytesMax = 1 * kMiB;  // a manifest, and a request as long as an argv

constexpr mode_t kPrivate = 0700;
constexpr mode_t kPassable = 0711;

bool is_ours(std::string_view name) {
    return name == kBody || name == kIndex || name == kState || name == kStatePart || name == kWork;
}

Status at_fail_point(const char* point, std::string_view action, const std::string& path) {
    if (const int error = fail_point(point)) return errno_error(error, action, printable(path));
    return {};
}

// What ArchiveWriter pushes: a segment at a time.
class BodyFile final : public ByteSink {
  public:
    BodyFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Status write(Bytes bytes) override {
        ASB_CHECK(at_fail_point("staging.write", "cannot write", path_));
        return write_all(fd_.get(), bytes, path_);
    }
    Status finish() override {
        ASB_CHECK(at_fail_point("staging.sync", "cannot sync", path_));
        return sync_fd(fd_.get(), path_);
    }

  private:
    UniqueFd fd_;
    std::string path_;
};

class BodyObject final : public StoredObject {
  public:
    BodyObject(UniqueFd fd, std::uint64_t size, std::string path)
        : fd_(std::move(fd)), size_(size), path_(std::move(path)) {}
    [[nodiscard]] std::uint64_t size() const override { return size_; }
    Status read_at(std::uint64_t offset, MutableBytes out) override {
        return pread_exact(fd_.get(), out, offset, path_);
    }

  private:
    UniqueFd fd_;
    std::uint64_t size_;
    std::string path_;
};

Result<std::vector<std::string>> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
        names.push_back(entry.path().filename().string());
    if (error) return errno_error(error.value(), "cannot read the folder", printable(folder));
    return names;
}

Result<std::string> tidy(const std::string& path) {
    ASB_TRY(auto absolute, absolute_path(path, Code::refused));
    absolute = std::filesystem::path(absolute).lexically_normal().string();
    while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
    return absolute;
}

}  // namespace

std::string StagingFolder::at(std::string_view name) const {
    return fmt::format("{}/{}", path_, name);
}

Result<std::string> StagingFolder::work_below(const std::string& path) {
    ASB_TRY(const auto whole, tidy(path));
    return fmt::format("{}/{}", whole, kWork);
}

Status StagingFolder::lock() {
    ASB_TRY(fd_, open_file(path_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK)
        return with_hint(fail(Code::busy, "another run works in {}", printable(path_)),
                         "wait until it has ended, or name another folder");
    return errno_error(errno, "cannot lock", printable(path_));
}

Result<std::unique_ptr<StagingFolder>> StagingFolder::prepare(const std::string& path) {
    ASB_TRY(auto whole, tidy(path));
    std::unique_ptr<StagingFolder> folder(new StagingFolder(std::move(whole)));
    if (access(folder->path_.c_str(), F_OK) != 0) {
        ASB_CHECK(at_fail_point("staging.folder", "cannot create the folder", folder->path_));
        ASB_CHECK(make_folders(folder->path_, kPrivate));
        folder->made_ = true;
    }
    ASB_CHECK(folder->lock());
    ASB_TRY(const auto names, names_in(folder->path_));
    for (const auto& name : names) {
        if (name == kState)
            return with_hint(
                fail(Code::refused, "a restore is already prepared in {}",
                     printable(folder->path_)),
                "publish it with restore --resume --staging DIR, or remove the folder");
        if (!is_ours(name))
            return with_hint(fail(Code::refused, "{} is not empty", printable(folder->path_)),
                             "name an empty or new folder with --staging");
    }
    struct stat info {};
    if (fstat(folder->fd_.get(), &info) != 0)
        return errno_error(errno, "cannot look at", printable(folder->path_));
    folder->mode_before_ = info.st_mode & 07777U;
    folder->finished_ = false;
    ASB_CHECK(folder->clear());
    if (fchmod(folder->fd_.get(), kPrivate) != 0)
        return errno_error(errno, "cannot make private", printable(folder->path_));
    return folder;
}

Result<std::unique_ptr<StagingFolder>> StagingFolder::resume(const std::string& path) {
    ASB_TRY(auto whole, tidy(path));
    std::unique_ptr<StagingFolder> folder(new StagingFolder(std::move(whole)));
    const auto nothing =
        with_hint(fail(Code::not_found, "no restore is prepared in {}", printable(folder->path_)),
                  "prepare one with restore --backup-file FILE --staging DIR");
    if (access(folder->path_.c_str(), F_OK) != 0) return nothing;
    ASB_CHECK(folder->lock());
    struct stat info {};
    if (fstat(folder->fd_.get(), &info) != 0)
        return errno_error(errno, "cannot look at", printable(folder->path_));
    if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return with_hint(fail(Code::refused, "{} is open to others, who could have changed it",
                              printable(folder->path_)),
                         "resume as the user who prepared it; else prepare it anew");
    if (access(folder->at(kState).c_str(), F_OK) == 0) return folder;
    if (access(folder->at(kBody).c_str(), F_OK) != 0) return nothing;
    return with_hint(
        fail(Code::refused, "the restore in {} was not prepared to its end",
             printable(folder->path_)),
        "prepare it again with restore --backup-file FILE --staging DIR, which removes "
        "the unfinished one");
}

StagingFolder::~StagingFolder() {
    if (has_work_) {
        static_cast<void>(remove_tree(at(kWork)));
        static_cast<void>(fchmod(fd_.get(), kPrivate));
    }
    if (finished_) return;
    static_cast<void>(clear());
    static_cast<void>(fchmod(fd_.get(), mode_before_));
    if (made_) static_cast<void>(rmdir(path_.c_str()));
}

Status StagingFolder::clear() {
    for (const auto name : {kState, kStatePart, kIndex, kBody, kWork})
        ASB_CHECK(remove_tree(at(name)));
    return {};
}

Status StagingFolder::open_work() {
    const auto mode = geteuid() == 0 ? kPassable : kPrivate;
    const auto work = at(kWork);
    if (mkdir(work.c_str(), mode) != 0 && errno != EEXIST)
        return errno_error(errno, "cannot create the folder", printable(work));
    if (fchmod(fd_.get(), mode) != 0 || chmod(work.c_str(), mode) != 0)
        return errno_error(errno, "cannot set the mode of", printable(path_));
    has_work_ = true;
    return {};
}

Result<std::unique_ptr<ByteSink>> StagingFolder::create_body() {
    const auto path = at(kBody);
    ASB_TRY(auto fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    return std::unique_ptr<ByteSink>(std::make_unique<BodyFile>(std::move(fd), path));
}

Status StagingFolder::put(std::string_view name, std::string_view text) const {
    const auto path = at(name);
    ASB_TRY(const auto fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    ASB_CHECK(write_all(fd.get(), as_bytes(text), path));
    return sync_fd(fd.get(), path);
}

Status StagingFolder::finish(const StagedRestore& staged) {
    ASB_TRY(const auto state, to_text(staged));
    ASB_CHECK(at_fail_point("staging.index", "cannot write", at(kIndex)));
    ASB_CHECK(put(kIndex, staged.index));
    ASB_CHECK(put(kStatePart, state));
    ASB_CHECK(sync_fd(fd_.get(), path_));
    ASB_CHECK(at_fail_point("staging.state", "cannot put in place", at(kState)));
    if (rename(at(kStatePart).c_str(), at(kState).c_str()) != 0)
        return errno_error(errno, "cannot put in place", printable(at(kState)));
    finished_ = true;
    ASB_CHECK(sync_fd(fd_.get(), path_));
    return made_ ? sync_folder(std::filesystem::path(path_).parent_path().string()) : Status();
}

Result<StagedRestore> StagingFolder::load() const {
    ASB_TRY(const auto text, read_file(at(kState), kStateBytesMax));
    ASB_TRY(auto staged, parse_staged(text, at(kState)));
    ASB_TRY(staged.index, read_file(at(kIndex), kIndexBytesMax));
    return staged;
}

Result<OpenArchive> StagingFolder::open_archive(const StagedRestore& staged) const {
    const auto path = at(kBody);
    const auto changed = with_hint(fail(Code::damaged, "{} is not as it was prepared", path),
                                   "remove the folder and prepare the restore anew");
    if (sha256(as_bytes(staged.index)) != staged.manifest.index_digest) return changed;
    OpenArchive archive;
    archive.read.manifest = staged.manifest;
    ASB_TRY(archive.index, parse_body_index(staged.index));
    ASB_TRY(auto fd, open_file(path, O_RDONLY | O_NOFOLLOW));
    struct stat info {};
    if (fstat(fd.get(), &info) != 0) return errno_error(errno, "cannot look at", printable(path));
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size != staged.manifest.body_length || size != archive.index.body_length) return changed;
    archive.body = std::make_unique<BodyObject>(std::move(fd), size, path);
    return archive;
}

Status StagingFolder::remove(bool made_folder) {
    ASB_CHECK(at_fail_point("staging.remove", "cannot remove", at(kState)));
    if (unlink(at(kState).c_str()) != 0)
        return errno_error(errno, "cannot remove", printable(at(kState)));
    ASB_CHECK(clear());
    if (made_folder) ASB_CHECK(remove_tree(path_));
    return {};
}

}  // namespace asb
