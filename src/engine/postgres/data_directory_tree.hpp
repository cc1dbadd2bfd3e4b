#pragma once
// Why this exists: files and folders made beneath one folder and nowhere else, whatever their names
// and whatever symbolic links somebody may have planted, and forced to the disk in parallel.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/stop.hpp"
#include "engine/postgres/restore_owner.hpp"
#include "io/file_filler.hpp"

namespace asb::postgres {

// One thread at a time. Paths are relative to the root, already judged by safe_name; files are
// 0600, folders 0700, and all belong to the owner, if there is one. The root itself keeps its owner
// until somebody hands it over, so that nobody else can get in while it is being filled.
class StagedTree {
  public:
    // `root` must exist; it is opened without following a symbolic link.
    static Result<StagedTree> open(std::string root, std::optional<Owner> owner);

    [[nodiscard]] const std::string& root() const { return root_; }
    [[nodiscard]] int root_fd() const { return root_fd_.get(); }

    // Makes the folder and those above it; one that is there already is fine.
    Status make_folder(std::string_view path);
    // A new file, open for `write` until `end_file`; `damaged` when the name has come before.
    Status begin_file(std::string_view path);
    // Writes on; an error may show only with a later piece or at `end_file`.
    Status write(Bytes bytes);
    Status end_file();
    // A small file in one go.
    Status write_file(std::string_view path, std::string_view text);
    // The same, forced to disk at once, with its folder.
    Status write_file_durably(std::string_view path, std::string_view text);
    // Text of a file written before.
    [[nodiscard]] Result<std::string> read_back(std::string_view path, std::size_t bytes_max) const;
    [[nodiscard]] bool has_file(std::string_view path) const;

    // Every file written so far, with several threads for each of `jobs`, then every folder, then
    // the root. Interrupted by `stop`.
    Status sync(unsigned jobs, const StopToken& stop);

  private:
    StagedTree(std::string root, UniqueFd fd, std::optional<Owner> owner)
        : root_(std::move(root)), root_fd_(std::move(fd)), owner_(std::move(owner)) {}
    Result<int> folder_fd(std::string_view folder);
    Result<UniqueFd> enter(int parent, const std::string& name, const std::string& whole);
    [[nodiscard]] std::string full(std::string_view path) const;
    [[nodiscard]] Status sync_one(const std::string& path, bool folder) const;

    std::string root_;
    UniqueFd root_fd_;
    std::optional<Owner> owner_;
    std::string open_folder_;  // what open_folder_fd_ is; entries of one folder come together
    UniqueFd open_folder_fd_;
    FileFiller filler_;
    std::string file_path_;
    std::vector<std::string> files_;
    std::vector<std::string> folders_;
};

}  // namespace asb::postgres
