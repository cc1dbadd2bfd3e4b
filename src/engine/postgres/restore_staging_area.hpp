#pragma once
// Why this exists: a restore into a database needs a place of its own for the unpacked data
// directory, the private server's socket and the dump; nobody else may look in, and nothing of it
// may stay, not even after a kill.

#include <memory>
#include <optional>
#include <string>

#include "engine/postgres/data_directory_tree.hpp"

namespace asb::postgres {

// The folder under which staging areas are made: `asked` (of --resume), else $TMPDIR, else
// /var/tmp.
std::string staging_base(const std::string& asked);

// "<base>/auth-service-backup-restore-XXXXXX", 0700, the owner's; locked (flock) while its run
// lives, so that the next run removes what a killed one left. Removed on destruction.
class StagingArea {
  public:
    static Result<std::unique_ptr<StagingArea>> make(const std::string& base,
                                                     std::optional<Owner> owner);
    ~StagingArea();
    StagingArea(const StagingArea&) = delete;
    StagingArea& operator=(const StagingArea&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string below(const char* name) const { return path_ + "/" + name; }
    [[nodiscard]] StagedTree& tree() { return *tree_; }

  private:
    explicit StagingArea(std::string path) : path_(std::move(path)) {}
    std::string path_;
    std::optional<StagedTree> tree_;
};

}  // namespace asb::postgres
