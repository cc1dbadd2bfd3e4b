#pragma once
// Why this exists: of the logs, an incremental backup stores only what was written since, whatever
// name a file has by now; a full one stores them whole and writes down how far it came.

#include <functional>
#include <optional>
#include <string>

#include "engine/fileset/file_reader.hpp"
#include "engine/fileset/log_mark.hpp"
#include "engine/fileset/log_positions.hpp"

namespace asb::fileset {

// One thread.
class LogCopy {
  public:
    using Fill = std::function<void(EntryHeader&, const struct stat&)>;

    // `known`: of an incremental backup, what the one before it has (nothing, perhaps); absent: a
    // full backup. `reader` is borrowed.
    LogCopy(FileReader& reader, std::optional<KnownLogs> known)
        : reader_(reader), known_(std::move(known)) {}

    [[nodiscard]] bool is_incremental() const { return known_.has_value(); }
    // Bytes that storing `found` is expected to take.
    [[nodiscard]] std::uint64_t expected_bytes(const Found& found) const;
    // Stores of the open file `fd` what is not yet stored: all of it, a piece, or nothing; `info`
    // is its stat. `fill` as FileReader::store has it.
    Result<ReadOutcome> store(const Found& found, int fd, const struct stat& info, const Fill& fill,
                              EntrySink& sink);
    // `name` is another name of the file that is stored as `first`. False where that cannot be said
    // in the list of positions, and has to be an entry of its own.
    bool add_link(const std::string& name, const std::string& first);
    // The list of positions, as the last entry; `header` has its owner and time. A full backup
    // without logs has none.
    Status finish(EntryHeader header, EntrySink& sink);
    // Of all logs that were stored or known, whole.
    [[nodiscard]] std::uint64_t whole_bytes() const { return whole_bytes_; }

  private:
    // An entry that is being stored, and what will be said of it.
    struct Taking {
        LogPosition position;
        LogMark mark;
        ReadFrom from = {};
    };
    [[nodiscard]] const LogPosition* known(const Found& found, const struct stat& info) const;
    void keep(const LogPosition& known);
    Result<ReadOutcome> store_piece(const Found& found, int fd, const LogPosition& known,
                                    const Fill& fill, EntrySink& sink);
    Result<ReadOutcome> store_whole(const Found& found, int fd, const Fill& fill, EntrySink& sink);
    Result<ReadOutcome> take(const Found& found, int fd, EntryHeader header, Taking& taking,
                             const Fill& fill, EntrySink& sink);

    FileReader& reader_;
    std::optional<KnownLogs> known_;
    PositionsText positions_;
    std::uint64_t whole_bytes_ = 0;
};

}  // namespace asb::fileset
