#include "engine/postgres/data_directory_staging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/postgres/tablespace_mark.hpp"

namespace asb::postgres {
namespace {

namespace fs = std::filesystem;

bool is_mount_point(const std::string& path) {
    struct statx info {};
    if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info) != 0)
        return false;
    if ((info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
        return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    struct stat self {
    }, parent{};
    return stat(path.c_str(), &self) == 0 && stat((path + "/..").c_str(), &parent) == 0 &&
           self.st_dev != parent.st_dev;
}

bool exists(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0;
}

bool unfinished(const std::string& folder) {
    return exists(folder + "/" + kInPlaceMark) && !exists(folder + "/global/pg_control");
}

Status empty_folder(const std::string& folder) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        ASB_CHECK(remove_tree(entry.path().string()));
    if (error) return errno_error(error.value(), "cannot read", folder);
    return {};
}

std::string staging_prefix(const fs::path& target) {
    return fmt::format(".{}.restoring-", target.filename().string());
}

// Removes what killed runs left beside `target`: a lock that can be had belongs to no living run.
void sweep(const fs::path& target) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(target.parent_path(), error)) {
        if (entry.path().filename().string().rfind(staging_prefix(target), 0) != 0) continue;
        const UniqueFd fd(
            open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (fd.valid() && flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
            static_cast<void>(remove_tree(entry.path().string()));
    }
}

// Makes the folders that are missing on the way to `folder`, for the owner: as root's they would be
// closed to the server.
Status make_way(const std::optional<Owner>& owner, const fs::path& folder) {
    if (exists(folder.string())) return {};
    ASB_CHECK(make_way(owner, folder.parent_path()));
    ASB_CHECK(make_folders(folder.string(), 0700));
    const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return errno_error(errno, "cannot open", folder.string());
    return give_to(owner, fd.get(), folder.string());
}

}  // namespace

Result<TargetPlace> look_at(const std::string& path) {
    ASB_TRY(fs::path resolved, resolved_path(path, Code::refused));
    if (!resolved.has_filename()) resolved = resolved.parent_path();
    TargetPlace place{.path = resolved.string()};
    struct stat info {};
    if (stat(place.path.c_str(), &info) != 0) {
        if (errno == ENOENT) return place;
        return errno_error(errno, "cannot look at", place.path, Code::refused);
    }
    if (!S_ISDIR(info.st_mode))
        return with_hint(fail(Code::refused, "{} is not a folder", place.path),
                         "name a folder that is empty or does not exist");
    place.exists = true;
    std::error_code error;
    place.empty =
        fs::is_empty(resolved, error) || unfinished(place.path) || is_of_dead_restore(place.path);
    if (error) return errno_error(error.value(), "cannot read", place.path, Code::refused);
    place.mount_point = is_mount_point(place.path);
    place.has_server = exists(place.path + "/postmaster.pid");
    return place;
}

Status check_place(const TargetPlace& place, bool force) {
    if (place.empty) return {};
    if (place.has_server)
        return with_hint(
            fail(Code::refused, "{} holds postmaster.pid: a server may be running in it",
                 place.path),
            "stop that server, or choose another folder; if none runs, remove postmaster.pid");
    if (place.mount_point)
        return with_hint(fail(Code::refused,
                              "{} is not empty, and as a mount point it cannot be "
                              "moved aside",
                              place.path),
                         "empty it, or name a folder below it");
    if (!force)
        return with_hint(fail(Code::refused, "{} is not empty", place.path),
                         "name an empty folder, or add --force to move this one aside");
    return {};
}

std::string existing_ancestor(const std::string& path) {
    fs::path folder = path;
    while (!exists(folder.string()) && folder.has_relative_path()) folder = folder.parent_path();
    return folder.empty() ? "." : folder.string();
}

Result<std::unique_ptr<StagedFolder>> StagedFolder::open(Options options) {
    ASB_TRY(auto place, look_at(options.target));
    ASB_CHECK(check_place(place, options.force));
    std::unique_ptr<StagedFolder> folder(new StagedFolder(std::move(options), std::move(place)));
    ASB_CHECK(folder->stage());
    return folder;
}

Status StagedFolder::stage() {
    const auto parent = fs::path(place_.path).parent_path().string();
    if (!exists(parent)) {
        ASB_CHECK(make_way(options_.owner, parent));
        made_parent_ = parent;
    }
    ASB_CHECK(place_.mount_point ? stage_in_place() : stage_beside());
    if (flock(tree_->root_fd(), LOCK_EX | LOCK_NB) != 0)
        return with_hint(fail(Code::busy, "another restore is filling {}", place_.path),
                         "wait for it to end, or name another folder");
    if (!place_.mount_point) return {};
    ASB_CHECK(empty_folder(staging_));
    return tree_->write_file(kInPlaceMark, "an unfinished restore; not a data directory\n");
}

Status StagedFolder::stage_in_place() {
    ASB_TRY(auto tree, StagedTree::open(place_.path, options_.owner));
    tree_ = std::move(tree);
    staging_ = place_.path;
    if (fchmod(tree_->root_fd(), 0700) != 0)
        return errno_error(errno, "cannot close to others", place_.path);
    return {};
}

Status StagedFolder::stage_beside() {
    const fs::path target = place_.path;
    sweep(target);
    auto name = (target.parent_path() / staging_prefix(target)).string() + "XXXXXX";
    if (mkdtemp(name.data()) == nullptr)
        return errno_error(errno, "cannot create a folder beside", place_.path);
    staging_ = name;
    ASB_TRY(auto tree, StagedTree::open(staging_, options_.owner));
    tree_ = std::move(tree);
    return {};
}

StagedFolder::~StagedFolder() {
    if (kept_ || staging_.empty()) return;
    if (place_.mount_point) {
        static_cast<void>(empty_folder(staging_));
    } else {
        static_cast<void>(remove_tree(published_ ? place_.path : staging_));
    }
    if (!made_parent_.empty()) rmdir(made_parent_.c_str());
}

Status StagedFolder::publish() {
    if (fchmod(tree_->root_fd(), 0700) != 0)
        return errno_error(errno, "cannot set the mode of", staging_);
    ASB_CHECK(give_to(options_.owner, tree_->root_fd(), staging_));
    if (const int error = fail_point("restore.publish"))
        return errno_error(error, "cannot rename into place", place_.path);
    if (place_.mount_point) {
        if (unlinkat(tree_->root_fd(), kInPlaceMark, 0) != 0)
            return errno_error(errno, "cannot finish", place_.path);
        return sync_fd(tree_->root_fd(), place_.path);
    }
    ASB_CHECK(rename_into_place());
    return sync_folder(fs::path(place_.path).parent_path().string());
}

Status StagedFolder::rename_into_place() {
    // What is there may have changed since it was looked at first.
    ASB_TRY(const auto now, look_at(place_.path));
    ASB_CHECK(check_place(now, options_.force));
    if (!now.empty) return exchange();
    // rename(2) replaces an empty folder and refuses one that is not.
    if (rename(staging_.c_str(), place_.path.c_str()) != 0)
        return errno_error(errno, "cannot rename into place", place_.path);
    published_ = true;
    return {};
}

Status StagedFolder::exchange() {
    // The finished copy first takes the name that the old one will have; then both change names in
    // one act, so that the target is at every moment either whole. Nothing is swept by that name.
    const auto aside = fmt::format("{}.before-{}", place_.path, options_.stamp);
    const auto step = [&](const std::string& from, const std::string& to, unsigned flags) {
        return renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0;
    };
    if (!step(staging_, aside, RENAME_NOREPLACE))
        return errno_error(errno, "cannot move aside as", aside, Code::refused);
    staging_ = aside;
    if (step(aside, place_.path, RENAME_EXCHANGE)) {
        moved_aside_ = aside;
        kept_ = true;  // what stands under `staging_` now is the old directory
        return {};
    }
    return with_hint(errno_error(errno, "cannot exchange with", place_.path, Code::refused),
                     fmt::format("move {} away yourself and restore again", place_.path));
}

}  // namespace asb::postgres
