#pragma once
// Why this exists: a folder that appears under its final name whole or not at all, beside what may
// be there already. The data directory is one, each tablespace is another.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/postgres/data_directory_tree.hpp"

namespace asb::postgres {

// What is at a place where a folder is to be put; found by looking only.
struct TargetPlace {
    std::string path;  // absolute, symbolic links resolved as far as it exists
    bool exists = false;
    bool empty = true;         // nothing in it, or only what an interrupted restore left
    bool mount_point = false;  // cannot be renamed, so it is filled in place
    bool has_server = false;   // holds postmaster.pid
};

// `refused` when something other than a folder is there.
Result<TargetPlace> look_at(const std::string& path);

// Whether the place may be filled: an empty one always; another only with `force`, and never a
// mount point or a directory with a server. `refused` names it and what to do.
Status check_place(const TargetPlace& place, bool force);

// The nearest folder at or above `path` that exists: where its bytes will go.
std::string existing_ancestor(const std::string& path);

// Staged as "<parent>/.<name>.restoring-<random>", locked (flock) while its run lives, so that a
// later run recognises and removes what a killed one left. One thread.
class StagedFolder {
  public:
    struct Options {
        std::string target;
        std::optional<Owner> owner;
        bool force = false;  // a directory that is there is moved aside
        std::string stamp;   // for the name of what is moved aside
    };
    static Result<std::unique_ptr<StagedFolder>> open(Options options);
    // Removes what was not kept, staged or published.
    ~StagedFolder();
    StagedFolder(const StagedFolder&) = delete;
    StagedFolder& operator=(const StagedFolder&) = delete;

    [[nodiscard]] StagedTree& tree() { return *tree_; }
    [[nodiscard]] const std::string& target() const { return place_.path; }
    // Where the folder is until it is published.
    [[nodiscard]] const std::string& staging() const { return staging_; }

    // Hands the root to the owner and renames it into place; everything in it must be on disk.
    // What was there is then at `moved_aside`. The old and the new never miss both.
    Status publish();
    // From now on nothing is taken back.
    void keep() { kept_ = true; }
    // Where the directory that was there is now; empty when there was none.
    [[nodiscard]] const std::string& moved_aside() const { return moved_aside_; }

  private:
    StagedFolder(Options options, TargetPlace place)
        : options_(std::move(options)), place_(std::move(place)) {}
    Status stage();
    Status stage_in_place();
    Status stage_beside();
    Status rename_into_place();
    Status exchange();

    Options options_;
    TargetPlace place_;
    std::string made_parent_;  // a folder above that was made for this one; removed with it
    std::string staging_;
    std::optional<StagedTree> tree_;
    std::string moved_aside_;
    bool published_ = false;
    bool kept_ = false;
};

}  // namespace asb::postgres
