#include "store/local/folder.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.hpp"

namespace asb::local {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

std::string current_user() {
    std::array<char, 4096> memory{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(geteuid(), &entry, memory.data(), memory.size(), &found) == 0 && found)
        return entry.pw_name;
    return fmt::format("{}", geteuid());
}

std::string hint_for(int error, const std::string& root) {
    switch (error) {
        case EACCES:
        case EPERM:
            return fmt::format("sudo chown -R {} {}", shell_quote(current_user()),
                               shell_quote(root));
        case EROFS:
            return fmt::format("{} is on a file system mounted read-only: mount it read-write",
                               root);
        case ENOTDIR:
        case ELOOP:
            return fmt::format("look at {}: something there is not a folder", root);
        default:
            return fmt::format("look at the disk behind {}, and at the kernel log (dmesg)", root);
    }
}

// The folder `name` in `parent`, or nullopt when there is none. A symbolic link is an error.
Result<std::optional<UniqueFd>> enter(int parent, const std::string& name, const std::string& root,
                                      std::string_view path) {
    const int fd = openat(parent, name.c_str(), kFolderFlags | O_NOFOLLOW);
    if (fd >= 0) return std::optional(UniqueFd(fd));
    if (errno == ENOENT) return std::optional<UniqueFd>();
    return step_error(errno, "cannot open", path, root);
}

Result<std::optional<UniqueFd>> enter_root(const std::string& root) {
    const int fd = open(root.c_str(), kFolderFlags);
    if (fd >= 0) return std::optional(UniqueFd(fd));
    if (errno == ENOENT) return std::optional<UniqueFd>();
    return step_error(errno, "cannot open", root, root);
}

Status make_folder(int parent, const std::string& name, const std::string& root,
                   const std::string& path) {
    if (mkdirat(parent, name.c_str(), kFolderMode) != 0 && errno != EEXIST)
        return step_error(errno, "cannot create the folder", path, root);
    if (fsync(parent) != 0) return step_error(errno, "cannot sync the folder of", path, root);
    return {};
}

// `path` and what is missing above it, each made folder durable in the one above.
Status make_root(const std::string& path, const std::string& root) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) return {};
    if (errno != ENOENT) return step_error(errno, "cannot create the folder", path, root);
    const auto slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const std::string above = slash == std::string::npos ? "."
                              : slash == 0               ? "/"
                                                         : path.substr(0, slash);
    ASB_CHECK(make_root(above, root));
    const UniqueFd parent(open(above.c_str(), kFolderFlags));
    if (!parent.valid()) return step_error(errno, "cannot open", above, root);
    return make_folder(parent.get(), name, root, path);
}

// Follows the folders of `key`, from the store's own.
Result<std::optional<Spot>> descend(const std::string& root, const ObjectKey& key, bool make) {
    ASB_TRY(auto folder, enter_root(root));
    auto parts = split(key.text(), '/');
    Spot spot{.folder = {}, .name = parts.back(), .path = root + "/" + key.text()};
    parts.pop_back();
    std::string path = root;
    for (const auto& part : parts) {
        if (!folder) break;
        path += "/" + part;
        ASB_TRY(auto below, enter(folder->get(), part, root, path));
        if (!below && make) {
            ASB_CHECK(make_folder(folder->get(), part, root, path));
            ASB_TRY(below, enter(folder->get(), part, root, path));
        }
        folder = std::move(below);
    }
    if (!folder) return std::optional<Spot>();
    spot.folder = std::move(*folder);
    return std::optional(std::move(spot));
}

struct CloseFolder {
    void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

// A stream of the entries of `folder_fd`, with a descriptor of its own; null with errno set on
// failure.
Folder open_entries(int folder_fd) {
    const int copy = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
    Folder entries(copy >= 0 ? fdopendir(copy) : nullptr);
    if (!entries && copy >= 0) close(copy);
    return entries;
}

// Whether a folder whose keys all begin with `folder_key` can hold one that begins with `prefix`.
bool can_hold(std::string_view folder_key, std::string_view prefix) {
    const auto common = std::min(folder_key.size(), prefix.size());
    return folder_key.substr(0, common) == prefix.substr(0, common);
}

bool is_folder(int parent, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat info {};
    return fstatat(parent, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

class Walk {
  public:
    Walk(const std::string& root, std::string_view prefix,
         const std::function<Status(const Visit&)>& visit)
        : root_(root), prefix_(prefix), visit_(visit) {}

    // Takes over `fd`; `folder_key` is "" or ends with '/'.
    Status folder(UniqueFd fd, const std::string& folder_key) {
        const std::string path = root_ + "/" + folder_key;
        const Folder entries = open_entries(fd.get());
        if (!entries) return step_error(errno, "cannot list", path, root_);
        while (true) {
            errno = 0;
            // One DIR stream is used by one thread only, which is all that readdir asks for.
            const dirent* entry = readdir(entries.get());  // NOLINT(concurrency-mt-unsafe)
            if (entry == nullptr && errno != 0)
                return step_error(errno, "cannot list", path, root_);
            if (entry == nullptr) return {};
            ASB_CHECK(one(fd.get(), folder_key, *entry));
        }
    }

  private:
    Status one(int fd, const std::string& folder_key, const dirent& entry) {
        const std::string_view name = entry.d_name;
        if (!is_folder(fd, entry)) return visit_({fd, folder_key, name, entry.d_type});
        const std::string key = folder_key + entry.d_name;
        if (!ObjectKey::parse(key).ok() || !can_hold(key + "/", prefix_)) return {};
        ASB_TRY(auto below, enter(fd, entry.d_name, root_, root_ + "/" + key));
        return below ? folder(std::move(*below), key + "/") : Status();
    }

    const std::string& root_;                           // outlived by the caller's
    std::string_view prefix_;                           // likewise
    const std::function<Status(const Visit&)>& visit_;  // likewise
};

}  // namespace

Error step_error(int error, std::string_view action, std::string_view path,
                 const std::string& root) {
    auto result = errno_error(error, action, path, Code::store);
    if (result.code == Code::store) result.hint = hint_for(error, root);
    return result;
}

Error as_store_error(Error error, const std::string& root) {
    if (error.code != Code::failed) return error;
    error.code = Code::store;
    error.hint = hint_for(EIO, root);
    return error;
}

std::string nearest_existing(const std::string& root) {
    std::string folder = root;
    struct stat info {};
    while (stat(folder.c_str(), &info) != 0 && errno == ENOENT) {
        const auto slash = folder.rfind('/');
        if (slash == std::string::npos) folder = ".";
        if (slash == 0) folder = "/";
        if (slash != std::string::npos && slash != 0) folder.resize(slash);
    }
    return folder;
}

Result<std::string> parse_location(const std::string& location) {
    if (location.empty())
        return with_hint(fail(Code::usage, "the folder for backups has no name"),
                         "set BACKUP_DIR, as in BACKUP_DIR=/var/backups/auth-service");
    const auto end = location.find_last_not_of('/');
    return end == std::string::npos ? std::string("/") : location.substr(0, end + 1);
}

Result<std::optional<Spot>> find_spot(const std::string& root, const ObjectKey& key) {
    return descend(root, key, false);
}

Result<Spot> make_spot(const std::string& root, const ObjectKey& key) {
    ASB_CHECK(make_root(root, root));
    ASB_TRY(auto spot, descend(root, key, true));
    if (!spot) return step_error(ENOENT, "cannot write", root + "/" + key.text(), root);
    return std::move(*spot);
}

bool NameSync::is_known(const Spot& spot) {
    const std::lock_guard lock(mutex_);
    struct stat known {};
    struct stat asked {};
    return known_.valid() && fstat(known_.get(), &known) == 0 &&
           fstat(spot.folder.get(), &asked) == 0 && known.st_dev == asked.st_dev &&
           known.st_ino == asked.st_ino;
}

void NameSync::remember(const Spot& spot) {
    const std::lock_guard lock(mutex_);
    known_ = UniqueFd(fcntl(spot.folder.get(), F_DUPFD_CLOEXEC, 0));
}

Status NameSync::sync(const std::string& root, const Spot& spot, const ObjectKey& key) {
    if (fsync(spot.folder.get()) != 0)
        return step_error(errno, "cannot sync the folder of", spot.path, root);
    if (is_known(spot)) return {};
    std::string_view above = key.text();
    for (auto slash = above.rfind('/'); slash != std::string_view::npos; slash = above.rfind('/')) {
        above = above.substr(0, slash);
        const auto folder_key = ObjectKey::known(std::string(above));
        ASB_TRY(const auto folder, find_spot(root, folder_key));
        if (!folder || fsync(folder->folder.get()) != 0)
            return step_error(folder ? errno : ENOENT, "cannot sync the folder of",
                              root + "/" + folder_key.text(), root);
    }
    remember(spot);
    return {};
}

Status walk(const std::string& root, std::string_view prefix,
            const std::function<Status(const Visit&)>& visit) {
    ASB_TRY(auto fd, enter_root(root));
    return fd ? Walk(root, prefix, visit).folder(std::move(*fd), "") : Status();
}

}  // namespace asb::local
