#pragma once
// Why this exists: entries of a physical backup become a data directory that a server can start
// from, and that no server can start from before it is whole: global/pg_control comes last, and the
// directory gets its name after everything in it is on disk.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/data_directory_recovery.hpp"
#include "engine/postgres/data_directory_staging.hpp"
#include "engine/postgres/data_directory_tablespaces.hpp"
#include "engine/postgres/file_ledger.hpp"

namespace asb::postgres {

struct DataDirectoryOptions {
    std::string target;
    std::vector<TablespacePlace> tablespaces;
    std::optional<Owner> owner;  // who the files shall belong to; nullopt: us
    unsigned jobs = 2;
    bool force = false;                // move a data directory that is there aside
    bool drop_old = false;             // and remove it at the end
    bool durable = true;               // false for a throw-away copy: nothing is forced to disk
    std::optional<Recovery> recovery;  // goes on after the backup, at its server's first start
    int major = 0;                     // for the report; 0: not known
    std::vector<std::string> notes;    // lines for the report that are known beforehand
};

// Used once, from one thread; threads of its own only inside publish. Memory: a record of about
// 100 bytes a file, and global/pg_control.
class DataDirectoryWriter final : public RestoreSession {
  public:
    static Result<std::unique_ptr<DataDirectoryWriter>> open(DataDirectoryOptions options,
                                                             SessionContext context);

    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    Status publish() override;
    [[nodiscard]] std::vector<std::string> report() const override { return report_; }

    // Where the data directory is after publish.
    [[nodiscard]] const std::string& directory() const { return main_->target(); }
    // How its server gets the WAL of the recovery; after publish.
    [[nodiscard]] WalWay wal_way() const { return wal_way_; }

  private:
    // Where the bytes of the open entry go besides the check sum.
    enum class Way { to_file, to_memory, nowhere };

    DataDirectoryWriter(DataDirectoryOptions options, SessionContext context)
        : options_(std::move(options)), context_(std::move(context)) {}
    Status open_folders();
    // Whether a file is kept in memory until the end.
    [[nodiscard]] bool is_held(std::string_view path) const;
    Status begin_in_base(const EntryHeader& header, std::string_view path);
    Status begin_in_wal(const EntryHeader& header, std::string_view path);
    Status begin_in_tablespace(const EntryHeader& header, std::string_view path);
    Status begin_entry(StagedTree& tree, const EntryHeader& header, std::string_view path);
    Status check_whole();
    Status complete();
    Status complete_recovery();
    Status put_control();
    Status publish_folders();
    void describe();
    Status drop_old();

    DataDirectoryOptions options_;
    SessionContext context_;
    std::unique_ptr<StagedFolder> main_;
    std::map<std::string, std::unique_ptr<StagedFolder>, std::less<>> tablespaces_;  // by oid
    StagedTree* tree_ = nullptr;  // of the open entry
    Way way_ = Way::nowhere;
    bool open_is_file_ = false;
    // The path is as the server's manifest calls it; empty for WAL, which it does not list.
    FileLedger::Entry open_file_;
    std::map<std::string, std::string> held_;  // small files kept in memory, by path
    WalWay wal_way_ = WalWay::fetched;
    FileLedger arrived_;
    std::uint64_t wal_files_ = 0;
    std::vector<std::string> notes_;
    std::vector<std::string> report_;
};

}  // namespace asb::postgres
