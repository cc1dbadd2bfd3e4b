#pragma once
// Why this exists: from the paths that the operator configured to the list of what is to be stored,
// with everything that is odd about it named. The backup, its dry run and `check` share this list.

#include <sys/stat.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/stop.hpp"
#include "codec/tar.hpp"

namespace asb::fileset {

struct Area {
    std::string_view setting;    // "CONFIG_PATHS"
    std::string_view component;  // "config"
    std::string_view prefix;     // "config/"
};
inline constexpr std::array<Area, 3> kAreas = {{
    {"CONFIG_PATHS", "config", "config/"},
    {"CERTIFICATE_PATHS", "certificates", "certificates/"},
    {"LOG_PATHS", "logs", "logs/"},
}};
inline constexpr std::size_t kConfigArea = 0;
inline constexpr std::size_t kLogArea = 2;

// One thing to store: a file, folder or symbolic link.
struct Found {
    std::size_t area = 0;
    std::string path;  // absolute; none of the folders above it is a symbolic link
    std::string name;  // in the archive: the area's prefix and the path without its '/'
    EntryType type = EntryType::file;
    struct stat info {};      // as it was when it was listed
    std::string link_target;  // of a symbolic link
};

// What one configured path came to; what two paths share counts for the first.
struct PathCount {
    std::size_t area = 0;
    std::string configured;
    std::uint64_t files = 0;  // files and symbolic links
    std::uint64_t bytes = 0;
};

struct FileSet {
    template <typename T>
    struct In {
        std::size_t area = 0;
        T what;
    };
    std::vector<Found> entries;  // each name once, sorted: a folder before what is in it
    std::vector<PathCount> paths;
    std::vector<In<std::string>> warnings;  // missing paths, sockets, ...
    std::vector<In<Error>> unreadable;      // `failed`, each with a hint
};

struct WalkRequest {
    std::array<std::vector<std::string>, kAreas.size()> paths;  // files, folders, globs
    std::uint64_t log_days_max = 7;  // log files not written to for longer are left out; 0: none is
    Instant now;
};

// Reads folders and link targets, opens no file. A configured path that is a symbolic link is
// stored with what it leads to, link by link; links found inside a folder are stored and not
// followed. File systems like /proc are never entered. `usage` for a path that is not absolute;
// `interrupted` when asked to stop.
Result<FileSet> walk(const WalkRequest& request, const StopToken& stop);

// The error for a file or folder that we may not read, with who we are and the command that helps.
Error unreadable_error(std::string_view path, int error, bool is_folder);

}  // namespace asb::fileset
