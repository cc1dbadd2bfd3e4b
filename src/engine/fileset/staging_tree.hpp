#pragma once
// Why this exists: entries of an archive become files below one folder, and an archive made to do
// harm gains nothing: no path leaves the folder, nothing is written through a symbolic link (they
// are created last), hard links lead only to files of the same archive.

#include <map>
#include <string>
#include <vector>

#include "codec/tar.hpp"
#include "engine/engine.hpp"
#include "engine/fileset/owners.hpp"
#include "io/file.hpp"

namespace asb::fileset {

// One thread. A name or link that could do harm, or that contradicts an earlier entry, is
// `damaged`.
class StagingTree final : public EntrySink {
  public:
    // Entries go below the folder `root` (borrowed), which stands at `path` (for messages).
    StagingTree(int root, std::string path, StopToken stop);

    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    // The file called `name`; null when there is none. Its size is what the headers said.
    [[nodiscard]] const EntryHeader* file(const std::string& name) const;
    // Moves the file `old_name` of `from`, a tree on the same file system, here.
    Status adopt(StagingTree& from, const std::string& old_name, const std::string& new_name);
    // Adds the file `piece_name` of `pieces` to the end of the file `name`, which takes its owner,
    // mode and time.
    Status append(const std::string& name, const StagingTree& pieces,
                  const std::string& piece_name);

    // After the last entry: symbolic links, the folders' owners, modes and times; everything
    // synced.
    Status seal();
    // Makes every folder writable for us again, so that the tree can be removed. Best effort.
    void unseal();

    struct Totals {
        std::uint64_t files = 0;  // with symbolic and hard links
        std::uint64_t bytes = 0;
    };
    // What there is below the top folder `top` ("config").
    [[nodiscard]] Totals totals(std::string_view top) const;
    // Symbolic links, in order of name: name -> target.
    [[nodiscard]] std::map<std::string, std::string> links() const;

  private:
    struct Node {
        EntryType type = EntryType::folder;
        EntryHeader header;       // mode, owner, times; of a folder nobody stored: 0700
        bool is_implied = false;  // a folder known only from what is in it
    };
    [[nodiscard]] Status check_name(const EntryHeader& header) const;
    [[nodiscard]] Result<UniqueFd> open_parent(const std::string& name) const;
    [[nodiscard]] Result<UniqueFd> open_within(const std::string& name, int flags) const;
    Status copy_to_end(int to, int from);
    Status make_parents(const std::string& name);
    Status make_folder(const EntryHeader& header);
    Status make_file(const EntryHeader& header);
    Status make_hard_link(const EntryHeader& header);
    Status make_symbolic_link(const std::string& name, const EntryHeader& header);
    Status settle_folder(const std::string& name, const Node& node);
    Status set_attributes(int fd, const EntryHeader& header, const std::string& name);
    [[nodiscard]] Error failed(std::string_view action, const std::string& name) const;

    int root_;
    std::string path_;
    StopToken stop_;
    Owners owners_;
    std::map<std::string, Node> nodes_;  // by name; a folder sorts before what is in it
    UniqueFd file_;                      // the file being written
    std::string file_name_;
    std::uint64_t file_left_ = 0;
};

}  // namespace asb::fileset
