#pragma once
// Why this exists: whoever may write in one of the folders above a file must not be able to lead us
// elsewhere with a symbolic link, neither when we read as root nor when we restore as root.

#include <sys/types.h>

#include <string>
#include <string_view>

#include "io/file.hpp"

namespace asb::fileset {

// Opens `relative` below the folder `root`, component by component, none of which may be a symbolic
// link (what openat2(2) calls RESOLVE_NO_SYMLINKS, on every kernel). `relative` has no "..", no
// leading '/'; empty means the folder itself. Not valid on failure; errno then says why (ELOOP or
// ENOTDIR for a symbolic link). A path longer than PATH_MAX is fine.
UniqueFd open_no_symlinks(int root, std::string_view relative, int flags, mode_t mode = 0);

// The same for an absolute path without symbolic links.
UniqueFd open_no_symlinks(std::string_view absolute, int flags);

// "config/etc/app.conf" -> {"config/etc", "app.conf"}; {"", name} when there is no '/'.
struct SplitName {
    std::string_view folder;
    std::string_view last;
};
SplitName split_name(std::string_view name);

}  // namespace asb::fileset
