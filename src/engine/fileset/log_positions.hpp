#pragma once
// Why this exists: an incremental backup holds of a log only what was written since the backup that
// it goes on from. How far that one came, in which file, and which piece of which file an archive
// holds, stands in one small entry of the archive itself (docs/FORMAT.md, "Logs").

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/digest.hpp"
#include "engine/fileset/file_walk.hpp"

namespace asb::fileset {

// The entry. Beside "logs/", since below that are absolute paths of the machine.
inline constexpr std::string_view kPositionsName = "log-positions.json";
// Where pieces are: "log-pieces/var/log/app.log/00000000000000004096" is what follows byte 4096.
inline constexpr std::string_view kPiecesPrefix = "log-pieces/";
// About 25,000 logs. Those for which there is no room are stored whole in every backup.
inline constexpr std::size_t kPositionsBytesMax = 8 * kMiB;

// One log, as it was when the backup took it.
struct LogPosition {
    std::string name;  // "logs/var/log/app.log"
    // Another name of the same file, before it in the list: a hard link. Nothing else is set then.
    std::string link;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;     // bytes of it that are in this backup or before
    std::int64_t modified = 0;  // st_mtim and st_ctim, nanoseconds since 1970
    std::int64_t changed = 0;
    // LogMark of those bytes; absent: what was stored is not whole, so nothing may go on from it.
    std::optional<Digest> mark;
    // Of an incremental backup: this many bytes are in the one before, under the name `from`. 0:
    // this archive holds the whole file, under its name.
    std::uint64_t offset = 0;
    std::string from;
    bool has_piece = false;  // this archive holds what follows `offset` (perhaps only new owners)
};

// An entry of a piece: of what, and from where.
struct PieceName {
    std::string log;  // "logs/var/log/app.log"
    std::uint64_t offset = 0;
};
std::string piece_name(std::string_view log, std::uint64_t offset);
// nullopt for a name that is none of a piece.
std::optional<PieceName> parse_piece_name(std::string_view entry);

// Writes the entry's text. One thread.
class PositionsText {
  public:
    // Whether there is certainly room for a log with names of this length in all.
    [[nodiscard]] bool has_room(std::size_t name_bytes) const;
    // Without room for it, nothing happens.
    void add(const LogPosition& position);
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    // The whole document, canonical JSON.
    [[nodiscard]] std::string text() const;

  private:
    std::string rows_;
};

// The inverse. `damaged` for anything that PositionsText would not have written, or a version above
// ours.
Result<std::vector<LogPosition>> parse_positions(std::string_view text);

// What an earlier backup has of the logs. Read-only after construction.
class KnownLogs {
  public:
    KnownLogs() = default;
    explicit KnownLogs(std::vector<LogPosition> positions);
    KnownLogs(const KnownLogs&) = delete;
    KnownLogs& operator=(const KnownLogs&) = delete;
    KnownLogs(KnownLogs&&) = default;
    KnownLogs& operator=(KnownLogs&&) = default;
    ~KnownLogs() = default;

    // What is known of the file that now has this name (a rename is followed), as far as its stat
    // tells; null: nothing, or it was surely written anew. LogPosition::mark tells for sure.
    [[nodiscard]] const LogPosition* find(const std::string& name, const struct stat& info) const;

  private:
    std::vector<LogPosition> positions_;
    std::map<std::pair<std::uint64_t, std::uint64_t>, const LogPosition*> by_file_;
    std::map<std::string_view, const LogPosition*> by_name_;
};

// The fields that a stat gives.
LogPosition position_of(const std::string& name, const struct stat& info);
// Whether not even the inode was touched since `known`.
bool is_untouched(const LogPosition& known, const std::string& name, const struct stat& info);

}  // namespace asb::fileset
