#include "io/file.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace asb {

void UniqueFd::reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
}

Error errno_error(int error, std::string_view action, std::string_view path, Code other) {
    const bool space = error == ENOSPC || error == EDQUOT;
    auto result = fail(space ? Code::space : other, "{} {}: {}", action, path,
                       std::generic_category().message(error));
    if (space) result.hint = "free some space on that file system, or choose another place";
    return result;
}

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode, Code other) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) {
        const bool writing = (flags & (O_WRONLY | O_RDWR)) != 0;
        return errno_error(errno, writing ? "cannot create" : "cannot open", path, other);
    }
    return UniqueFd(fd);
}

Status write_all(int fd, Bytes bytes, std::string_view path) {
    while (!bytes.empty()) {
        const ssize_t written = write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno_error(errno, "cannot write", path);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Status pwrite_all(int fd, Bytes bytes, std::uint64_t offset, std::string_view path) {
    while (!bytes.empty()) {
        const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno_error(errno, "cannot write", path);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

Status pread_exact(int fd, MutableBytes out, std::uint64_t offset, std::string_view path) {
    while (!out.empty()) {
        const ssize_t count = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error(errno, "cannot read", path);
        if (count == 0)
            return fail(Code::damaged, "{} ends at byte {}, {} bytes too early", path, offset,
                        out.size());
        out = out.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
    ASB_TRY(auto fd, open_file(path, O_RDONLY));
    std::string text;
    char block[16384];
    while (true) {
        const ssize_t count = read(fd.get(), block, sizeof block);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error(errno, "cannot read", path);
        if (count == 0) return text;
        text.append(block, static_cast<std::size_t>(count));
        if (text.size() > bytes_max)
            return fail(Code::failed, "{} is larger than {} bytes", path, bytes_max);
    }
}

Status replace_file(const std::string& path, std::string_view text, mode_t mode) {
    const auto fresh = path + ".new";  // what a crash left of it, the next one overwrites
    const auto write = [&]() -> Status {
        ASB_TRY(const auto file, open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC, mode));
        ASB_CHECK(write_all(file.get(), as_bytes(text), fresh));
        if (rename(fresh.c_str(), path.c_str()) == 0) return {};
        return errno_error(errno, "cannot write", path);
    };
    auto status = write();
    if (!status.ok()) unlink(fresh.c_str());
    return status;
}

Status sync_fd(int fd, std::string_view path) {
    // Never retried: after a failed fsync the kernel may have dropped the pages.
    if (fsync(fd) != 0) return errno_error(errno, "cannot sync", path);
    return {};
}

Status sync_folder(const std::string& path) {
    ASB_TRY(auto fd, open_file(path, O_RDONLY | O_DIRECTORY));
    return sync_fd(fd.get(), path);
}

Result<std::string> absolute_path(const std::string& path, Code other) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    if (!error) return absolute.string();
    return with_hint(
        errno_error(error.value(), "cannot tell from the root on where to find", path, other),
        "the working folder may have been removed: cd to one that exists, or name "
        "the whole path");
}

Result<std::string> resolved_path(const std::string& path, Code other) {
    ASB_TRY(const auto absolute, absolute_path(path, other));
    std::error_code error;
    const auto resolved = std::filesystem::weakly_canonical(absolute, error);
    if (error) return errno_error(error.value(), "cannot resolve", path, other);
    return resolved.string();
}

Status make_folders(const std::string& path, mode_t mode) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode)) return {};
        return errno_error(ENOTDIR, "cannot create the folder", path);
    }
    const auto parent = std::filesystem::path(path).parent_path().string();
    if (!parent.empty() && parent != path) ASB_CHECK(make_folders(parent, mode));
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        return errno_error(errno, "cannot create the folder", path);
    return {};
}

Result<std::uint64_t> free_space(const std::string& path) {
    struct statvfs info {};
    if (statvfs(path.c_str(), &info) != 0)
        return errno_error(errno, "cannot ask for the free space of", path);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

Status remove_tree(const std::string& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return errno_error(error.value(), "cannot remove", path);
    return {};
}

}  // namespace asb
