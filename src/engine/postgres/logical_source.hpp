#pragma once
// Why this exists: the dumps of a logical backup are collected in files, since a parallel
// pg_restore must be able to seek; from there on a restore is as from any other backup.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/logical_names.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/only_entries.hpp"
#include "engine/postgres/restore_staging_area.hpp"
#include "engine/postgres/swap_source.hpp"
#include "io/file.hpp"

namespace asb::postgres {

// The staging area must outlive it.
class LogicalSource final : public CopySource {
  public:
    struct Options {
        ClientPrograms programs;
        DatabaseFilter wanted;  // dumps of other databases are passed over
    };
    static Result<std::unique_ptr<LogicalSource>> make(Options options, StagingArea& area,
                                                       const SessionContext& context);

    // `damaged` for an entry that no logical backup has, or a part that is not the next one.
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    Status open() override;
    Result<std::vector<std::string>> databases() override;
    Result<RoleList> roles() override;
    Result<DatabaseDescription> describe(const std::string& database) override;
    Result<StoredDump> dump(const std::string& database, unsigned jobs) override;
    Status discard(const std::string& database) override;
    // Rows of each table, values of sequences, number of large objects, against what pg_restore
    // reads out of the dump.
    Result<Compared> compare(const std::string& database, Connection& copy) override;

  private:
    enum class Entry { none, globals, catalog, dump };
    LogicalSource(Options options, StagingArea& area, const SessionContext& context)
        : options_(std::move(options)), area_(area), context_(context) {}
    Status begin_dump(const DumpPart& part, std::string_view name);
    [[nodiscard]] std::string dump_file(const std::string& database) const;

    Options options_;
    StagingArea& area_;
    SessionContext context_;
    Entry entry_ = Entry::none;
    UniqueFd file_;  // of the dump that arrives
    std::string path_;
    std::map<std::string, std::uint64_t> parts_;  // that have arrived of each database
    std::string catalog_text_;
    LogicalCatalog catalog_;
};

}  // namespace asb::postgres
