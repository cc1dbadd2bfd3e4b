#pragma once
// Why this exists: the server names files relative to its data directory or a tablespace; in our
// archive they live under "postgresql/". While they pass on their way there, each is measured for
// the ledger. Where the pages come from does not matter here.

#include <string>

#include "codec/tar.hpp"
#include "engine/postgres/file_ledger.hpp"

namespace asb {

inline constexpr std::string_view kBaseFolder = "postgresql/base";
inline constexpr std::string_view kTablespacesFolder = "postgresql/tablespaces";
inline constexpr std::string_view kWalFolder = "postgresql/wal";
// Of an incremental backup: ranges of WAL, whose every record has a check sum of its own.
inline constexpr std::string_view kWalRangesFolder = "postgresql/wal-ranges";

// `next` and `ledger` are borrowed and must outlive it.
class RehomingSink final : public EntrySink {
  public:
    RehomingSink(EntrySink& next, FileLedger& ledger) : next_(next), ledger_(ledger) {}

    // What follows is the data directory, or the tablespace `oid`. Its folder becomes an entry,
    // owned as the first entry in it is.
    void enter_base();
    void enter_tablespace(std::string_view oid);

    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;

    // A header owned as the server's own files are, for entries that we add ourselves.
    [[nodiscard]] EntryHeader owned(std::string name, EntryType type, std::uint64_t size) const;

  private:
    Status begin_folder_of(const EntryHeader& first);

    EntrySink& next_;
    FileLedger& ledger_;
    std::string folder_;         // "postgresql/base", "postgresql/tablespaces/16384"
    std::string ledger_prefix_;  // "", "pg_tblspc/16384/"
    bool folder_written_ = false;
    EntryHeader owner_;  // the last header of the server's, for its owner and mode
    FileLedger::Entry open_;
    bool open_is_file_ = false;
};

}  // namespace asb
