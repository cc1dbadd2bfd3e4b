#include "ops/plain_folders.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/text.hpp"
#include "ops/restore_parts.hpp"
#include "ops/sources.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLocal = "file";

struct PlainFolder {
    std::string_view said_with;  // the option or variable that names another one
    std::string path;
    bool is_replaced = true;  // false: others have things there too, which stay
};

std::vector<PlainFolder> folders_of(const RestoreOptions& options) {
    const auto& request = options.request;
    std::vector<PlainFolder> folders;
    const auto add = [&](std::string_view said_with, const std::string& path) {
        if (!path.empty()) folders.push_back({.said_with = said_with, .path = path});
    };
    add("--target-dir", request.target_dir);
    add("--files-dir", request.files_dir);
    add("--staging", options.staging);
    for (const auto& [from, to] : request.tablespaces) add("--tablespace", to);
    // Where a private server works, or finds out whether it may read the repository.
    const char* temporary = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (temporary != nullptr && *temporary != '\0' && wants(request, "database"))
        folders.push_back({.said_with = "TMPDIR", .path = temporary, .is_replaced = false});
    return folders;
}

// Without symbolic links and "..", as far as it exists.
fs::path resolved(const std::string& path) {
    std::error_code error;
    const auto absolute = fs::absolute(path, error);
    auto found = fs::weakly_canonical(absolute, error);
    if (error) found = absolute.lexically_normal();
    return found.has_filename() ? found : found.parent_path();
}

// Or the same folder by another way, such as a second mount.
bool is_same(const fs::path& one, const fs::path& other) {
    std::error_code missing;
    return one == other || fs::equivalent(one, other, missing);
}

bool is_in(fs::path inner, const fs::path& outer) {
    while (!is_same(inner, outer)) {
        if (!inner.has_relative_path()) return false;
        inner = inner.parent_path();
    }
    return true;
}

// The folder of a backup that is named by its path, when that is a repository and no download.
std::string repository_of(const std::string& backup) {
    const auto slash = backup.rfind('/');
    if (slash == std::string::npos || backup.find("://") != std::string::npos) return {};
    const auto folder = slash == 0 ? std::string("/") : backup.substr(0, slash);
    std::error_code error;
    return fs::exists(fmt::format("{}/{}", folder, kRecoveryNoteKey), error) ? folder
                                                                             : std::string();
}

std::vector<std::string> repository_folders(const OpsContext& context,
                                            const RestoreOptions& options) {
    std::vector<std::string> locations = {context.settings.text("REPOSITORY"),
                                          repository_of(options.backup)};
    for (const auto* driver : context.drivers.stores)
        locations.push_back(driver->configured(context.settings));
    std::vector<std::string> folders;
    for (const auto& location : locations) {
        if (location.empty()) continue;
        // A location that means nothing is told by whoever reads from it.
        const auto place = find_place(context, location);
        if (place && place->driver->scheme == kLocal) folders.push_back(place->location);
    }
    return folders;
}

Status check(const PlainFolder& folder, const std::string& repository) {
    const auto path = resolved(folder.path);
    const auto root = resolved(repository);
    const bool lies_in = is_in(path, root);
    if (!lies_in && (!folder.is_replaced || !is_in(root, path))) return {};
    return with_hint(
        fail(Code::usage, "{} {} {} the repository {}, and what is restored is not encrypted",
             folder.said_with, printable(folder.path), lies_in ? "lies in" : "has inside",
             printable(repository)),
        fmt::format("name another folder with {}", folder.said_with));
}

}  // namespace

Status check_plain_folders(const OpsContext& context, const RestoreOptions& options) {
    const auto folders = folders_of(options);
    for (const auto& repository : repository_folders(context, options))
        for (const auto& folder : folders) ASB_CHECK(check(folder, repository));
    return {};
}

}  // namespace asb
