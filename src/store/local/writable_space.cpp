#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "store/local/folder.hpp"
#include "store/local/rights.hpp"

namespace asb::local {

Result<std::optional<std::uint64_t>> writable_space(const std::string& root) {
    auto absolute = absolute_path(nearest_existing(root));
    if (!absolute) return as_store_error(std::move(absolute.error()), root);
    const auto& folder = *absolute;
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error))
        return step_error(ENOTDIR, "cannot write into", folder, root);
    if (eaccess(folder.c_str(), W_OK | X_OK) != 0)
        return step_error(errno, "cannot write into", folder, root);
    auto bytes = free_space(folder);
    if (!bytes) return as_store_error(std::move(bytes.error()), root);
    return std::optional(*bytes);
}

// As df shows it: of what an ordinary user could have.
std::optional<std::uint64_t> used_percent(const std::string& root) {
    std::error_code error;
    const auto space = std::filesystem::space(nearest_existing(root), error);
    if (error || space.free > space.capacity) return std::nullopt;
    const auto used = space.capacity - space.free;
    const auto usable = used + space.available;
    if (usable == 0) return std::nullopt;
    return (used * 100 + usable - 1) / usable;
}

}  // namespace asb::local
