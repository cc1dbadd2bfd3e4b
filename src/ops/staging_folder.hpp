#pragma once
// Why this exists: a restore can be prepared today and published tomorrow. What was prepared waits
// in a folder, as a plain archive of what was chosen, its index, and a state file whose rename says
// that everything is there.

#include <optional>

#include "base/json.hpp"
#include "codec/tar.hpp"
#include "engine/engine.hpp"
#include "io/file.hpp"
#include "repo/archive_reader.hpp"

namespace asb {

// What a state file records. No secret: the database's URL is not in it.
struct StagedRestore {
    std::string backup;  // --backup-file, as it was said
    Manifest manifest;   // of the backup, but with the figures of the staged body
    std::string index;   // text of the staged body's index
    RestoreRequest request;
    bool made_folder = false;  // the folder itself was made for this
};

// One folder, locked (flock) while this lives. One thread at a time.
class StagingFolder {
  public:
    // For a preparation: makes the folder (0700) when it is missing; removes what an earlier,
    // unfinished one left. `refused` when anything else is in it, a finished one included; `busy`
    // when another run works in it.
    static Result<std::unique_ptr<StagingFolder>> prepare(const std::string& path);
    // For a publication: the folder of a finished preparation. `not_found` when there is none,
    // `refused` when it is unfinished or others could have changed it.
    static Result<std::unique_ptr<StagingFolder>> resume(const std::string& path);
    // Removes what was prepared, unless it is finished.
    ~StagingFolder();
    StagingFolder(const StagingFolder&) = delete;
    StagingFolder& operator=(const StagingFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool was_made() const { return made_; }
    // The engines' scratch place inside a staging folder.
    static Result<std::string> work_below(const std::string& path);
    // Makes it. As root, lets other users pass through (not look in) meanwhile, since a database's
    // private server runs as another user.
    Status open_work();

    // A sink that writes the staged body, for ArchiveWriter. Durable after its `finish`.
    Result<std::unique_ptr<ByteSink>> create_body();
    // Everything else, durably; the state file last, by rename.
    Status finish(const StagedRestore& staged);

    // `damaged` when the state file is not what `finish` wrote.
    [[nodiscard]] Result<StagedRestore> load() const;
    // What was prepared, as an archive to be read; reading it checks every digest again.
    [[nodiscard]] Result<OpenArchive> open_archive(const StagedRestore& staged) const;
    // After publication: the state first, then the data, then the folder if it was made for this.
    Status remove(bool made_folder);

  private:
    explicit StagingFolder(std::string path) : path_(std::move(path)) {}
    Status lock();
    Status clear();
    [[nodiscard]] std::string at(std::string_view name) const;
    [[nodiscard]] Status put(std::string_view name, std::string_view text) const;

    std::string path_;
    UniqueFd fd_;
    bool made_ = false;
    bool finished_ = true;  // false while a preparation is under way
    mode_t mode_before_ = 0;
    bool has_work_ = false;
};

}  // namespace asb
