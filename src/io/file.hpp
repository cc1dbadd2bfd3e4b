#pragma once
// Why this exists: POSIX files with whole reads and writes, errno turned into an Error that names
// the file, and the one durable way to make a file appear.

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace asb {

// Owns a descriptor; closed on destruction, errors of that close ignored (sync before, where they
// matter).
class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    void reset();

  private:
    int fd_ = -1;
};

// The Error for a failed system call: ENOSPC and EDQUOT are `space`, everything else is `other`.
// `action` reads like "cannot write"; the fact is "<action> <path>: <strerror>".
Error errno_error(int error, std::string_view action, std::string_view path,
                  Code other = Code::failed);

// Opens with O_CLOEXEC; `flags` and `mode` as open(2).
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0600,
                           Code other = Code::failed);
// All of `bytes`, through EINTR and short writes. `path` is for the error only.
Status write_all(int fd, Bytes bytes, std::string_view path);
Status pwrite_all(int fd, Bytes bytes, std::uint64_t offset, std::string_view path);
// Exactly out.size() bytes at `offset`; a shorter file is `damaged`.
Status pread_exact(int fd, MutableBytes out, std::uint64_t offset, std::string_view path);
// The whole of a small file; more than `bytes_max` is an error.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);
// `text` in place of whatever has that name: readers see the old or the new whole. Nothing is
// synced; what could not be written leaves no file of its own.
Status replace_file(const std::string& path, std::string_view text, mode_t mode = 0600);
// fsync of a file or folder by descriptor or by path.
Status sync_fd(int fd, std::string_view path);
Status sync_folder(const std::string& path);
// The path from the root on; of `resolved_path` symbolic links resolved as far as it exists. Fails
// where the working folder was removed, or a folder on the way cannot be read.
Result<std::string> absolute_path(const std::string& path, Code other = Code::failed);
Result<std::string> resolved_path(const std::string& path, Code other = Code::failed);
// Folders down to `path`, mode `mode` for each one made here; existing ones are left as they are.
Status make_folders(const std::string& path, mode_t mode);
// Bytes that an unprivileged writer can still write to the file system of `path`.
Result<std::uint64_t> free_space(const std::string& path);
// Removes the folder and all below it; never follows a symbolic link. A missing folder is success.
Status remove_tree(const std::string& path);

}  // namespace asb
