#include "engine/postgres/restore_staging_area.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace asb::postgres {
namespace {

constexpr const char* kNamePrefix = "auth-service-backup-restore-";

void sweep(const std::string& base) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(base, error)) {
        if (!entry.path().filename().string().starts_with(kNamePrefix)) continue;
        const UniqueFd fd(
            open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (fd.valid() && flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
            static_cast<void>(remove_tree(entry.path().string()));
    }
}

}  // namespace

std::string staging_base(const std::string& asked) {
    if (!asked.empty()) return asked;
    const char* temporary = std::getenv("TMPDIR");
    return temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
}

Result<std::unique_ptr<StagingArea>> StagingArea::make(const std::string& base,
                                                       std::optional<Owner> owner) {
    ASB_TRY(const auto absolute, absolute_path(base));
    ASB_CHECK(make_folders(absolute, 0755));
    if (const auto closed = closed_folder(owner, absolute); !closed.empty())
        return with_hint(fail(Code::refused,
                              "user {} may not enter {}, so the private server could not start "
                              "below it",
                              owner->user, closed),
                         fmt::format("chmod o+x {}, or name another place with TMPDIR", closed));
    sweep(absolute);
    auto path = fmt::format("{}/{}XXXXXX", absolute, kNamePrefix);
    if (mkdtemp(path.data()) == nullptr)
        return errno_error(errno, "cannot create a staging folder in", absolute);
    std::unique_ptr<StagingArea> area(new StagingArea(path));
    ASB_TRY(auto tree, StagedTree::open(path, owner));
    area->tree_ = std::move(tree);
    if (flock(area->tree_->root_fd(), LOCK_EX | LOCK_NB) != 0)
        return errno_error(errno, "cannot lock", path);
    ASB_CHECK(give_to(owner, area->tree_->root_fd(), path));
    return area;
}

StagingArea::~StagingArea() {
    static_cast<void>(remove_tree(path_));
}

}  // namespace asb::postgres
