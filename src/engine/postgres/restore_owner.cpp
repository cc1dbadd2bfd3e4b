#include "engine/postgres/restore_owner.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "io/file.hpp"

namespace asb::postgres {
namespace {

std::vector<gid_t> groups_of(const Owner& owner) {
    int count = 64;  // more groups than that are read in the second round
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (getgrouplist(owner.user.c_str(), owner.gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        getgrouplist(owner.user.c_str(), owner.gid, groups.data(), &count);
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

bool may_enter(const Owner& owner, const std::vector<gid_t>& groups, const struct stat& info) {
    if (info.st_uid == owner.uid) return (info.st_mode & S_IXUSR) != 0;
    if (std::find(groups.begin(), groups.end(), info.st_gid) != groups.end())
        return (info.st_mode & S_IXGRP) != 0;
    return (info.st_mode & S_IXOTH) != 0;
}

}  // namespace

std::optional<Owner> find_owner(const std::string& user) {
    if (geteuid() != 0) return std::nullopt;
    std::vector<char> text(16384);  // as sysconf(_SC_GETPW_R_SIZE_MAX) suggests, with room
    struct passwd entry {};
    struct passwd* found = nullptr;
    if (getpwnam_r(user.c_str(), &entry, text.data(), text.size(), &found) != 0) found = nullptr;
    if (found == nullptr || entry.pw_uid == 0) return std::nullopt;
    return Owner{user, entry.pw_uid, entry.pw_gid};
}

Status give_to(const std::optional<Owner>& owner, int fd, const std::string& path) {
    if (!owner) return {};
    if (fchown(fd, owner->uid, owner->gid) != 0)
        return errno_error(errno, fmt::format("cannot give to user {}", owner->user), path);
    return {};
}

std::string closed_folder(const std::optional<Owner>& owner, const std::string& path) {
    if (!owner) return {};
    const auto groups = groups_of(*owner);
    std::filesystem::path walked;
    for (const auto& part : std::filesystem::path(path)) {
        walked /= part;
        struct stat info {};
        if (stat(walked.c_str(), &info) != 0) return {};
        if (S_ISDIR(info.st_mode) && !may_enter(*owner, groups, info)) return walked.string();
    }
    return {};
}

}  // namespace asb::postgres
