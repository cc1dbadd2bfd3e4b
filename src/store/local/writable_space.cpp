#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "store/local/folder.hpp"
#include "store/local/rights.hpp"

namespace asb::local {

Result<std::optional<std::uint64_t>> writable_space(const std::string& root) {
    // The folder itself, or the nearest one above it that exists: there the missing ones would be
    // made.
    std::filesystem::path nearest = std::filesystem::absolute(root);
    std::error_code error;
    while (!std::filesystem::exists(nearest, error) && nearest.has_relative_path())
        nearest = nearest.parent_path();
    if (!std::filesystem::is_directory(nearest, error))
        return step_error(ENOTDIR, "cannot write into", nearest.string(), root);
    if (eaccess(nearest.c_str(), W_OK | X_OK) != 0)
        return step_error(errno, "cannot write into", nearest.string(), root);
    auto bytes = free_space(nearest.string());
    if (!bytes) return as_store_error(std::move(bytes.error()), root);
    return std::optional(*bytes);
}

}  // namespace asb::local
