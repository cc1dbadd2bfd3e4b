#include "engine/fileset/file_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "base/text.hpp"
#include "engine/fileset/no_symlinks.hpp"
#include "engine/fileset/owners.hpp"

namespace asb::fileset {
namespace {

// A name in a folder and what it stands for.
struct Child {
    std::string name;
    struct stat info {};
    std::string link_target;
    int error = 0;  // errno why its content cannot be read; 0: it can
};

// As many links in a row as Linux itself follows (path_resolution(7)).
constexpr int kLinksInARowMax = 40;

struct CloseFolder {
    void operator()(DIR* folder) const { closedir(folder); }
};
struct FreeText {
    void operator()(char* text) const { std::free(text); }  // NOLINT: realpath gives malloc'ed text
};

// Fills all but the name; 0 or errno.
int look(int folder, Child& child) {
    const char* name = child.name.c_str();
    if (fstatat(folder, name, &child.info, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    if (S_ISLNK(child.info.st_mode)) {
        std::array<char, PATH_MAX> target{};
        const ssize_t size = readlinkat(folder, name, target.data(), target.size());
        if (size < 0) return errno;
        child.link_target.assign(target.data(), static_cast<std::size_t>(size));
    }
    if (S_ISREG(child.info.st_mode) && faccessat(folder, name, R_OK, AT_EACCESS) != 0)
        child.error = errno;
    return 0;
}

std::string joined(const std::string& folder, const std::string& name) {
    return folder == "/" ? "/" + name : folder + "/" + name;
}

// The path with every symbolic link resolved but the last component; errno in `error` if it cannot
// be.
std::string without_links_above(std::string path, int& error) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    const auto parts = split_name(path);
    const bool is_odd = parts.last.empty() || parts.last == "." || parts.last == "..";
    const std::string above = is_odd ? path : std::string(parts.folder) + "/";
    const std::unique_ptr<char, FreeText> resolved(realpath(above.c_str(), nullptr));
    error = resolved ? 0 : errno;
    if (!resolved) return {};
    return is_odd ? std::string(resolved.get()) : joined(resolved.get(), std::string(parts.last));
}

// Kernel interfaces that look like files; reading them may block, never end, or act.
bool is_kernel_file_system(const std::string& path) {
    constexpr std::array<std::uint32_t, 12> kMagic = {
        PROC_SUPER_MAGIC,    SYSFS_MAGIC,    DEVPTS_SUPER_MAGIC, CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,      SECURITYFS_MAGIC,
        BPF_FS_MAGIC,        PSTOREFS_MAGIC, EFIVARFS_MAGIC,     SELINUX_MAGIC};
    struct statfs info {};
    if (statfs(path.c_str(), &info) != 0) return false;
    return std::find(kMagic.begin(), kMagic.end(), static_cast<std::uint32_t>(info.f_type)) !=
           kMagic.end();
}

// glob(3) reports the folders that it cannot read to a plain function.
thread_local std::vector<std::pair<std::string, int>>* glob_failures = nullptr;
int note_glob_failure(const char* path, int error) {
    if (error != ENOENT && error != ENOTDIR) glob_failures->emplace_back(path, error);
    return 0;
}

std::string_view kind_of(mode_t mode) {
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISFIFO(mode)) return "a named pipe";
    return "a device";
}

class Walker {
  public:
    Walker(const WalkRequest& request, const StopToken& stop) : request_(request), stop_(stop) {}

    Result<FileSet> run() {
        for (area_ = 0; area_ < kAreas.size(); ++area_)
            for (const auto& path : request_.paths[area_]) ASB_CHECK(add_configured(path));
        for (auto& [name, found] : found_) set_.entries.push_back(std::move(found));
        return std::move(set_);
    }

  private:
    Status add_configured(const std::string& path) {
        if (path.front() != '/')
            return with_hint(fail(Code::usage, "{} holds '{}', which is not an absolute path",
                                  kAreas[area_].setting, printable(path)),
                             "write the whole path, from '/'");
        set_.paths.push_back({.area = area_, .configured = path});
        struct stat info {};
        if (lstat(path.c_str(), &info) != 0 && path.find_first_of("*?[") != std::string::npos)
            return add_glob(path);
        return add_path(path, kLinksInARowMax);
    }

    Status add_glob(const std::string& pattern) {
        std::vector<std::pair<std::string, int>> failures;
        glob_failures = &failures;
        glob_t matched{};
        // NOLINTNEXTLINE(concurrency-mt-unsafe): only with GLOB_TILDE, which is not used
        const int status = glob(pattern.c_str(), 0, note_glob_failure, &matched);
        glob_failures = nullptr;
        const std::unique_ptr<glob_t, void (*)(glob_t*)> freed(&matched, globfree);
        if (status == GLOB_NOSPACE)
            return fail(Code::failed, "out of memory while matching {}", printable(pattern));
        for (const auto& [path, error] : failures) note_unreadable(path, error, true);
        if (matched.gl_pathc == 0 && failures.empty())
            warn("nothing matches {}", printable(pattern));
        for (std::size_t i = 0; i < matched.gl_pathc; ++i)
            ASB_CHECK(add_path(matched.gl_pathv[i], kLinksInARowMax));
        return {};
    }

    // A configured path, or what one that is a symbolic link leads to.
    Status add_path(const std::string& path, int links_left) {
        int error = 0;
        const std::string real = without_links_above(path, error);
        Child child;
        if (error == 0) error = look_at(real, child);
        if (error == ENOENT || error == ENOTDIR) {
            warn("{} does not exist", printable(path));
            return {};
        }
        if (error != 0) return unreadable(path, error, false);
        ASB_CHECK(add(real, child, 0));
        if (!S_ISLNK(child.info.st_mode)) return {};
        if (links_left == 0) {
            warn("{} leads through too many symbolic links", printable(path));
            return {};
        }
        const auto& target = child.link_target;
        const auto folder = std::string(split_name(real).folder);
        return add_path(target.starts_with('/') ? target : joined(folder, target), links_left - 1);
    }

    static int look_at(const std::string& path, Child& child) {
        const auto parts = split_name(path);
        child.name = parts.last.empty() ? "." : std::string(parts.last);
        const auto above =
            open_no_symlinks(parts.folder.empty() ? "/" : parts.folder, O_PATH | O_DIRECTORY);
        return above.valid() ? look(above.get(), child) : errno;
    }

    // `device_above`: st_dev of the folder that holds it; 0 when not known.
    Status add(const std::string& path, const Child& child, dev_t device_above) {
        ASB_CHECK(stop_.check());
        const mode_t mode = child.info.st_mode;
        if (S_ISLNK(mode)) return insert(path, child, EntryType::symbolic_link);
        if (!S_ISREG(mode) && !S_ISDIR(mode)) {
            warn("left out {}, which is {}", printable(path), kind_of(mode));
            return {};
        }
        if (child.info.st_dev != device_above && is_kernel_file_system(path)) {
            warn("left out {}, which belongs to the kernel", printable(path));
            return {};
        }
        return S_ISDIR(mode) ? add_folder(path, child) : add_file(path, child);
    }

    Status add_file(const std::string& path, const Child& child) {
        if (area_ == kLogArea && is_old(child.info.st_mtim.tv_sec)) return {};
        if (child.error != 0) return unreadable(path, child.error, false);
        return insert(path, child, EntryType::file);
    }

    Status add_folder(const std::string& path, const Child& child) {
        if (path != "/") ASB_CHECK(insert(path, child, EntryType::folder));
        const auto fd = open_no_symlinks(path, O_RDONLY | O_DIRECTORY);
        if (!fd.valid()) return folder_failed(path, errno);
        const std::unique_ptr<DIR, CloseFolder> folder(
            fdopendir(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
        if (!folder) return folder_failed(path, errno);
        std::vector<Child> children;
        ASB_CHECK(read_folder(path, fd.get(), *folder, children));
        for (const auto& inner : children)
            ASB_CHECK(add(joined(path, inner.name), inner, child.info.st_dev));
        return {};
    }

    Status read_folder(const std::string& path, int fd, DIR& folder, std::vector<Child>& children) {
        while (true) {
            errno = 0;
            const dirent* entry = readdir(&folder);  // NOLINT(concurrency-mt-unsafe): our own DIR
            if (entry == nullptr) break;
            Child child;
            child.name = entry->d_name;
            if (child.name == "." || child.name == "..") continue;
            const int error = look(fd, child);
            if (error == ENOENT) continue;
            if (error != 0) note_unreadable(joined(path, child.name), error, false);
            if (error == 0) children.push_back(std::move(child));
        }
        return errno == 0 ? Status() : folder_failed(path, errno);
    }

    Status folder_failed(const std::string& path, int error) {
        if (error != ENOENT && error != ENOTDIR && error != ELOOP)
            return unreadable(path, error, true);
        warn("{} vanished while it was being listed", printable(path));
        return {};
    }

    Status insert(const std::string& path, const Child& child, EntryType type) {
        auto name = std::string(kAreas[area_].prefix) + path.substr(1);
        const auto [found, is_new] = found_.try_emplace(name);
        if (!is_new) return {};
        found->second = {.area = area_,
                         .path = path,
                         .name = std::move(name),
                         .type = type,
                         .info = child.info,
                         .link_target = child.link_target};
        auto& count = set_.paths.back();
        if (type != EntryType::folder) ++count.files;
        if (type == EntryType::file) count.bytes += static_cast<std::uint64_t>(child.info.st_size);
        return {};
    }

    [[nodiscard]] bool is_old(std::int64_t mtime_seconds) const {
        constexpr std::int64_t kDaySeconds = 86400;
        const auto now_seconds =
            std::chrono::floor<std::chrono::seconds>(request_.now).time_since_epoch().count();
        if (request_.log_days_max == 0 || mtime_seconds > now_seconds) return false;
        const auto days = (now_seconds - mtime_seconds) / kDaySeconds;
        return static_cast<std::uint64_t>(days) >= request_.log_days_max;
    }

    template <typename... Args>
    void warn(fmt::format_string<Args...> format, Args&&... args) {
        set_.warnings.push_back(
            {area_, fmt::format("{}: {}", kAreas[area_].setting,
                                fmt::format(format, std::forward<Args>(args)...))});
    }

    void note_unreadable(const std::string& path, int error, bool is_folder) {
        set_.unreadable.push_back({area_, unreadable_error(path, error, is_folder)});
    }
    // The walk goes on, so that `check` can name everything at once.
    Status unreadable(const std::string& path, int error, bool is_folder) {
        note_unreadable(path, error, is_folder);
        return {};
    }

    const WalkRequest& request_;
    const StopToken& stop_;
    std::size_t area_ = 0;
    std::map<std::string, Found> found_;
    FileSet set_;
};

}  // namespace

Result<FileSet> walk(const WalkRequest& request, const StopToken& stop) {
    return Walker(request, stop).run();
}

Error unreadable_error(std::string_view path, int error, bool is_folder) {
    auto result = errno_error(error, "cannot read", printable(path));
    result.code = Code::failed;
    if (error != EACCES && error != EPERM) return result;
    Owners owners;
    const auto user = owners.user_name(geteuid());
    const auto group = owners.group_name(getegid());
    const auto word = shell_quote(printable(path));
    const std::string_view rights = is_folder ? "rx" : "r";
    return with_hint(
        std::move(result),
        fmt::format("this runs as user {0} (uid {1}), group {2}; let it read the {3}: `chgrp {2} "
                    "{4} && chmod g+{5} {4}`, or `setfacl -m u:{0}:{5} {4}`, and x on each folder "
                    "above",
                    user.empty() ? std::to_string(geteuid()) : user, geteuid(),
                    group.empty() ? std::to_string(getegid()) : group,
                    is_folder ? "folder" : "file", word, rights));
}

}  // namespace asb::fileset
