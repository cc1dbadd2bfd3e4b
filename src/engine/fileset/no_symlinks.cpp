#include "engine/fileset/no_symlinks.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace asb::fileset {

SplitName split_name(std::string_view name) {
    const auto slash = name.rfind('/');
    if (slash == std::string_view::npos) return {{}, name};
    return {name.substr(0, slash), name.substr(slash + 1)};
}

UniqueFd open_no_symlinks(int root, std::string_view relative, int flags, mode_t mode) {
    constexpr int kFolderFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd folder;
    int from = root;
    while (true) {
        const auto slash = relative.find('/');
        const bool last = slash == std::string_view::npos;
        const std::string component(relative.substr(0, slash));
        UniqueFd next(openat(from, component.empty() ? "." : component.c_str(),
                             last ? flags | O_NOFOLLOW | O_CLOEXEC : kFolderFlags, mode));
        if (!next.valid() || last) return next;
        folder = std::move(next);
        from = folder.get();
        relative.remove_prefix(slash + 1);
    }
}

UniqueFd open_no_symlinks(std::string_view absolute, int flags) {
    ASB_ASSERT(!absolute.empty() && absolute.front() == '/');
    const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) return {};
    return open_no_symlinks(root.get(), absolute.substr(1), flags);
}

}  // namespace asb::fileset
