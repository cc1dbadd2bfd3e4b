#pragma once
// Why this exists: what happens to the messages of a base backup: archives are taken apart into
// entries, the manifest is kept, and in the end both are held against each other.

#include <memory>
#include <optional>
#include <string>

#include "base/progress.hpp"
#include "engine/postgres/file_ledger.hpp"
#include "engine/postgres/messages.hpp"
#include "engine/postgres/rehoming_sink.hpp"

namespace asb {

// take*, finish; once. Pushes into `sink`, which is borrowed.
class ArchiveIntake {
  public:
    ArchiveIntake(EntrySink& sink, Progress& progress) : sink_(sink), progress_(progress) {}

    Status take(const BackupMessage& message);
    // After the last message: every file is compared with the manifest (`damaged` names it), then
    // the manifest becomes the entry postgresql/base/backup_manifest. Returns it, sorted.
    Result<ServerManifest> finish();

    [[nodiscard]] std::uint64_t files() const { return ledger_.files(); }
    [[nodiscard]] std::uint64_t bytes() const { return ledger_.bytes(); }
    [[nodiscard]] const RehomingSink& owner() const { return rehoming_; }

  private:
    Status begin_archive(const ArchiveBegins& archive);
    Status end_archive();
    Status take_data(Bytes bytes);
    Status store_manifest();

    EntrySink& sink_;
    Progress& progress_;
    FileLedger ledger_;
    RehomingSink rehoming_{sink_, ledger_};
    std::unique_ptr<TarParser> parser_;    // while an archive is open
    std::optional<std::string> manifest_;  // once it has begun
};

}  // namespace asb
