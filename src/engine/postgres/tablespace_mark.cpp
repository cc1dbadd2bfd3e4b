#include "engine/postgres/tablespace_mark.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "base/fail_point.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = ".auth-service-backup.tablespace";
constexpr std::size_t kMarkBytesMax = 4096;  // PATH_MAX

// A folder in which a data directory can be in the making: one beside its target, or a mount point.
bool is_staging(const fs::path& path) {
    std::error_code error;
    const auto name = path.filename().string();
    return (name.starts_with('.') && name.find(".restoring-") != std::string::npos) ||
           fs::exists(path / kInPlaceMark, error);
}

}  // namespace

Status put_mark(StagedTree& tablespace, const std::string& staging) {
    return tablespace.write_file(kMark, staging);
}

void take_mark(const StagedTree& tablespace) {
    if (fail_point("restore.take_mark") == 0) unlinkat(tablespace.root_fd(), kMark, 0);
}

bool is_of_dead_restore(const std::string& folder) {
    const auto staging = read_file(folder + "/" + kMark, kMarkBytesMax);
    if (!staging.ok() || !is_staging(staging.value())) return false;
    const UniqueFd fd(
        open(staging.value().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return fd.valid() && flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

Status clear_if_of_dead_restore(const std::string& folder) {
    if (!is_of_dead_restore(folder)) return {};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().filename() != kMark) ASB_CHECK(remove_tree(entry.path().string()));
    if (error) return errno_error(error.value(), "cannot read", folder);
    return remove_tree(folder + "/" + kMark);
}

}  // namespace asb::postgres
