#include "engine/fileset/restore_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/text.hpp"
#include "codec/digest.hpp"

namespace asb::fileset {
namespace {

constexpr std::string_view kStagingPrefix = ".auth-service-backup-staging-";

std::string random_suffix() {
    std::array<std::byte, 8> bytes{};
    random_bytes(bytes);
    return to_hex(Bytes(bytes));
}

// Removes what killed runs left in `folder`: a lock that can be had belongs to no living run.
void sweep(const std::string& folder, Log& log) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (!entry.path().filename().string().starts_with(kStagingPrefix)) continue;
        const auto path = entry.path().string();
        const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd.valid() || flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
        if (const auto removed = remove_tree(path); !removed.ok())
            log.warning("a leftover of an earlier restore stays: {}", removed.error().fact);
    }
}

}  // namespace

std::string existing_part(const std::string& path) {
    std::error_code error;
    std::filesystem::path there = path;
    while (there.has_relative_path() && !std::filesystem::exists(there, error))
        there = there.parent_path();
    return there.empty() ? "." : there.string();
}

Result<std::unique_ptr<RestoreFolder>> RestoreFolder::make(const std::string& files_dir, Log& log) {
    std::unique_ptr<RestoreFolder> folder(new RestoreFolder(files_dir, log));
    ASB_CHECK(folder->make_staging());
    return folder;
}

Status RestoreFolder::make_staging() {
    made_from_ = existing_part(files_dir_);
    ASB_CHECK(make_folders(files_dir_, 0700));
    sweep(files_dir_, log_);
    path_ = fmt::format("{}/{}{}", files_dir_, kStagingPrefix, random_suffix());
    if (mkdir(path_.c_str(), 0700) != 0)
        return errno_error(errno, "cannot create the folder", printable(path_));
    ASB_TRY(fd_, open_file(path_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0)
        return errno_error(errno, "cannot lock", printable(path_));
    return {};
}

RestoreFolder::~RestoreFolder() {
    if (path_.empty()) return;
    if (const auto status = remove_tree(path_); !status.ok())
        log_.warning("{}", status.error().fact);
    if (keeps_target_) return;
    for (std::filesystem::path made = files_dir_; made.has_relative_path() && made != made_from_;
         made = made.parent_path())
        if (rmdir(made.c_str()) != 0) return;
}

}  // namespace asb::fileset
