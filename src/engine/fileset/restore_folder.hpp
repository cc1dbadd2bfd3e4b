#pragma once
// Why this exists: a restore of files builds them in a private folder inside the folder that they
// go to, so that they take their places by rename; and nothing of it may stay, not even after a
// kill.

#include <memory>
#include <string>

#include "base/log.hpp"
#include "io/file.hpp"

namespace asb::fileset {

// The nearest folder above or at `path` that is there.
std::string existing_part(const std::string& path);

// "<files_dir>/.auth-service-backup-staging-XXXX", 0700; locked (flock) while its run lives, so
// that the next run removes what a killed one left. One thread.
class RestoreFolder {
  public:
    // Makes `files_dir` (0700) when it is missing.
    static Result<std::unique_ptr<RestoreFolder>> make(const std::string& files_dir, Log& log);
    // Removes it with all that is in it and, unless the target was kept, the folders made for it.
    ~RestoreFolder();
    RestoreFolder(const RestoreFolder&) = delete;
    RestoreFolder& operator=(const RestoreFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] int fd() const { return fd_.get(); }
    // Something was put in place: what was made above it stays.
    void keep_target() { keeps_target_ = true; }

  private:
    RestoreFolder(std::string files_dir, Log& log) : files_dir_(std::move(files_dir)), log_(log) {}
    Status make_staging();

    std::string files_dir_;
    Log& log_;
    std::string made_from_;  // the part of files_dir that was there before
    std::string path_;
    UniqueFd fd_;
    bool keeps_target_ = false;
};

}  // namespace asb::fileset
