#include "store/local/reservation.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/fail_point.hpp"

namespace asb::local {
namespace {

constexpr std::string_view kPartialSuffix = ".partial";
constexpr mode_t kFileMode = 0600;
// A sweep holds the lock of a leftover for microseconds; a live writer holds its own for seconds.
// So a lock that is still held after these tries belongs to a writer.
constexpr int kTriesMax = 20;
constexpr std::chrono::milliseconds kPauseBetweenTries{2};

// False when another open file holds the lock.
Result<bool> try_lock(const std::string& root, int fd) {
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return false;
        if (errno != EINTR) return step_error(errno, "cannot lock a file in", root, root);
    }
    return true;
}

// Whether `name` in the folder still is the file behind `fd`: between open and lock it may have
// been published, removed, or removed and made anew by somebody else.
bool still_named(int folder_fd, const std::string& name, int fd) {
    struct stat by_name {};
    struct stat by_fd {};
    return fstatat(folder_fd, name.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(fd, &by_fd) == 0 && by_name.st_dev == by_fd.st_dev &&
           by_name.st_ino == by_fd.st_ino;
}

// An existing partial file, without waiting (it might be a FIFO that somebody put there).
Result<std::optional<UniqueFd>> open_partial(const std::string& root, int folder_fd,
                                             const std::string& file_name) {
    const int fd =
        openat(folder_fd, file_name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) return std::optional(UniqueFd(fd));
    if (errno == ENOENT) return std::optional<UniqueFd>();
    return step_error(errno, "cannot look at the unfinished file", root + "/.../" + file_name,
                      root);
}

Status unlink_partial(const std::string& root, int folder_fd, const std::string& file_name) {
    const int injected = fail_point("store.local.erase");
    if (injected == 0 && unlinkat(folder_fd, file_name.c_str(), 0) == 0) return {};
    const int error = injected != 0 ? injected : errno;
    return step_error(error, "cannot remove the unfinished file", root + "/.../" + file_name, root);
}

// One try to make and lock the file; nullopt when another is in the way.
Result<std::optional<UniqueFd>> try_create(const std::string& root, const Spot& spot,
                                           const std::string& file_name) {
    const int injected = fail_point("store.local.create");
    if (injected != 0) return step_error(injected, "cannot write", spot.path, root);
    UniqueFd fd(openat(spot.folder.get(), file_name.c_str(),
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (!fd.valid() && errno == EEXIST) return std::optional<UniqueFd>();
    if (!fd.valid()) return step_error(errno, "cannot write", spot.path, root);
    // A sweep may take the new file for a leftover before it is locked; then it is not ours.
    ASB_TRY(const bool locked, try_lock(root, fd.get()));
    if (!locked || !still_named(spot.folder.get(), file_name, fd.get()))
        return std::optional<UniqueFd>();
    return std::optional(std::move(fd));
}

}  // namespace

std::string partial_name(std::string_view name) {
    return fmt::format(".{}{}", name, kPartialSuffix);
}

std::optional<std::string_view> name_of_partial(std::string_view file_name) {
    if (!file_name.starts_with('.') || !file_name.ends_with(kPartialSuffix)) return std::nullopt;
    if (file_name.size() < 2 + kPartialSuffix.size()) return std::nullopt;
    return file_name.substr(1, file_name.size() - 1 - kPartialSuffix.size());
}

Result<UniqueFd> reserve(const std::string& root, const Spot& spot) {
    const std::string file_name = partial_name(spot.name);
    for (int i = 0; i < kTriesMax; ++i) {
        ASB_TRY(auto fd, try_create(root, spot, file_name));
        if (fd) return std::move(*fd);
        ASB_TRY(const auto leftover, remove_if_abandoned(root, spot.folder.get(), file_name));
        if (leftover == Leftover::live) std::this_thread::sleep_for(kPauseBetweenTries);
    }
    return with_hint(fail(Code::busy, "{} is being written by another run", spot.path),
                     "wait for the other run to end, then try again");
}

Result<Leftover> remove_if_abandoned(const std::string& root, int folder_fd,
                                     const std::string& file_name) {
    ASB_TRY(const auto fd, open_partial(root, folder_fd, file_name));
    if (!fd) return Leftover::gone;
    ASB_TRY(const bool locked, try_lock(root, fd->get()));
    if (!locked) return Leftover::live;
    if (!still_named(folder_fd, file_name, fd->get())) return Leftover::gone;
    ASB_CHECK(unlink_partial(root, folder_fd, file_name));
    return Leftover::removed;
}

Result<bool> is_held(const std::string& root, int folder_fd, const std::string& file_name) {
    ASB_TRY(const auto fd, open_partial(root, folder_fd, file_name));
    if (!fd) return false;
    ASB_TRY(const bool locked, try_lock(root, fd->get()));
    return !locked;
}

}  // namespace asb::local
