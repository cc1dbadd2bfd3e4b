#pragma once
// Why this exists: a log comes back out of several backups: whole from a full one, and piece by
// piece from the incremental ones after it, under whatever name it had each time. After each backup
// there is here what a full backup at that moment would have held.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/fileset/log_positions.hpp"
#include "engine/fileset/staging_tree.hpp"

namespace asb::fileset {

// Takes the entries below "logs/" and "log-pieces/" and "log-positions.json". One thread. What
// contradicts itself is `damaged`.
class RestoredLogs final : public EntrySink {
  public:
    // Works in the folder `staging` (borrowed), which stands at `path`: below "logs-1", ...
    RestoredLogs(int staging, std::string path, StopToken stop);

    // What comes now are the entries of the next backup.
    Status begin_link();
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override { return current_->write(bytes); }
    Status end() override;
    // After the last entry.
    Status seal();
    // As StagingTree's.
    void unseal();

    // Of the newest backup. Before any entry there is no tree.
    [[nodiscard]] const StagingTree* tree() const { return link_.tree.get(); }
    // Where the tree stands.
    [[nodiscard]] const std::string& path() const { return link_.path; }
    // Logs of which something is missing, named with what.
    [[nodiscard]] std::vector<std::string> not_whole() const;

  private:
    // What came from one backup.
    struct Link {
        std::string path;  // of a folder that holds both trees
        UniqueFd folder;
        UniqueFd pieces_folder;
        std::unique_ptr<StagingTree> tree;
        std::unique_ptr<StagingTree> pieces;
        // How many bytes a log lacks at its beginning, since an earlier backup is not here.
        std::map<std::string, std::uint64_t> missing;
    };
    // The list of positions, as it comes in.
    class Text final : public EntrySink {
      public:
        Status begin(const EntryHeader& header) override;
        Status write(Bytes bytes) override;
        Status end() override { return {}; }
        std::string text;
    };

    Result<Link> make_link();
    Status ensure_link();
    Status finish_link();
    Status bring_back(const LogPosition& position);
    Status go_on(const LogPosition& position, const EntryHeader& base);
    Status add_name(const LogPosition& position);

    int staging_;
    std::string path_;
    StopToken stop_;
    std::size_t count_ = 0;  // of links
    Link link_;              // of the backup whose entries come
    Link before_;            // of the one before
    Text positions_;
    EntrySink* current_ = nullptr;  // where the open entry goes
};

}  // namespace asb::fileset
