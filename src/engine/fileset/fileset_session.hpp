#pragma once
// Why this exists: pushes the listed files into the archive, each under its area's folder, and
// keeps account of what did not hold still.

#include <map>

#include "engine/engine.hpp"
#include "engine/fileset/environment.hpp"
#include "engine/fileset/file_reader.hpp"
#include "engine/fileset/file_walk.hpp"
#include "engine/fileset/log_copy.hpp"
#include "engine/fileset/owners.hpp"

namespace asb::fileset {

// The name under which the recorded environment settings are stored.
inline constexpr std::string_view kEnvironmentName = "config/environment";

class FilesetSession final : public BackupSession {
  public:
    // `known`: of an incremental backup, the logs of the one before it; absent: a full one.
    FilesetSession(FileSet files, RecordedEnvironment environment, SessionContext context,
                   ReadHook hook, std::optional<KnownLogs> known = std::nullopt);

    [[nodiscard]] std::uint64_t expected_bytes() const override;
    [[nodiscard]] std::vector<std::string> plan() const override;
    Status write_entries(EntrySink& sink) override;
    [[nodiscard]] const BackupFacts& facts() const override { return facts_; }

  private:
    struct Totals {
        std::uint64_t entries = 0;
        std::uint64_t bytes = 0;
    };
    // A file by its place on disk, in one area: an area can be restored without the others, so a
    // hard link never leads from one to another.
    struct Identity {
        std::size_t area;
        dev_t device;
        ino_t inode;
        auto operator<=>(const Identity&) const = default;
    };
    Status store(const Found& found, EntrySink& sink);
    Status store_file(const Found& found, EntrySink& sink);
    Status store_content(const Found& found, int fd, const struct stat& info, EntrySink& sink);
    Status store_link(const Found& found, const struct stat& info, const std::string& first,
                      EntrySink& sink);
    Status store_environment(EntrySink& sink);
    Status store_bare(const EntryHeader& header, EntrySink& sink);
    Status not_opened(const Found& found, int error);
    void report_missing(const Found& found, std::string_view what);
    void note(const Found& found, const ReadOutcome& outcome);
    EntryHeader header_of(const Found& found, const struct stat& info);
    void fill(EntryHeader& header, const struct stat& info);
    EntryHeader own_header();
    [[nodiscard]] Json summary() const;

    FileSet files_;
    RecordedEnvironment environment_;
    SessionContext context_;
    ReadHook hook_;
    FileReader reader_;
    LogCopy logs_;
    Owners owners_;
    std::map<Identity, std::string> stored_;  // files with more than one name -> first name
    std::array<Totals, kAreas.size()> totals_{};
    BackupFacts facts_;
};

}  // namespace asb::fileset
