#include "engine/fileset/owners.hpp"

#include <grp.h>
#include <pwd.h>

#include <vector>

namespace asb::fileset {
namespace {

// getpwuid_r and its kin want a buffer; 64 KiB holds a group of thousands of members.
std::vector<char> lookup_buffer() {
    return std::vector<char>(64 * kKiB);
}

}  // namespace

const std::string& Owners::user_name(uid_t uid) {
    const auto [found, is_new] = user_names_.try_emplace(uid);
    if (!is_new) return found->second;
    auto buffer = lookup_buffer();
    passwd record{};
    passwd* result = nullptr;
    if (getpwuid_r(uid, &record, buffer.data(), buffer.size(), &result) == 0 && result != nullptr)
        found->second = record.pw_name;
    return found->second;
}

const std::string& Owners::group_name(gid_t gid) {
    const auto [found, is_new] = group_names_.try_emplace(gid);
    if (!is_new) return found->second;
    auto buffer = lookup_buffer();
    group record{};
    group* result = nullptr;
    if (getgrgid_r(gid, &record, buffer.data(), buffer.size(), &result) == 0 && result != nullptr)
        found->second = record.gr_name;
    return found->second;
}

uid_t Owners::uid_of(const EntryHeader& header) {
    const auto number = static_cast<uid_t>(header.uid);
    if (header.user_name.empty()) return number;
    const auto [found, is_new] = uids_.try_emplace(header.user_name, number);
    if (!is_new) return found->second;
    auto buffer = lookup_buffer();
    passwd record{};
    passwd* result = nullptr;
    if (getpwnam_r(header.user_name.c_str(), &record, buffer.data(), buffer.size(), &result) == 0 &&
        result != nullptr)
        found->second = record.pw_uid;
    return found->second;
}

gid_t Owners::gid_of(const EntryHeader& header) {
    const auto number = static_cast<gid_t>(header.gid);
    if (header.group_name.empty()) return number;
    const auto [found, is_new] = gids_.try_emplace(header.group_name, number);
    if (!is_new) return found->second;
    auto buffer = lookup_buffer();
    group record{};
    group* result = nullptr;
    if (getgrnam_r(header.group_name.c_str(), &record, buffer.data(), buffer.size(), &result) ==
            0 &&
        result != nullptr)
        found->second = record.gr_gid;
    return found->second;
}

}  // namespace asb::fileset
