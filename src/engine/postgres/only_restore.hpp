#pragma once
// Why this exists: a lost table comes back into the database that has gone on without it, and into
// nothing else: the old one put aside and the stored one in its place, in one transaction.

#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/only_target.hpp"
#include "engine/postgres/restore_staging_area.hpp"
#include "engine/postgres/swap_source.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

struct PieceOptions {
    std::string database;
    bool force = false;
    bool drop_old = false;
};

// What of a dump is wanted, laid out for pg_restore.
struct PieceList {
    StoredDump dump;
    Pieces pieces;
    std::vector<TocEntry> toc;
};

// Reads the dump's contents and finds what `only` names in it.
Result<PieceList> list_pieces(const StoredDump& dump, const OnlyWords& only);

// Writes the file that pg_restore's --use-list reads: what `list` names, and those of
// `missing_schemas`.
enum class Grants { with, without, alone };
Status write_use_list(const PieceList& list, const std::set<std::string>& missing_schemas,
                      Grants grants, const std::string& path);

// `refused` when what is in the way may not be put aside (without force), or may not be dropped
// (drop_old) since something else hangs on it.
Status check_in_the_way(const InTheWay& found, const PieceOptions& options);

// One restore of pieces into a database that exists. Whatever fails, the database is as it was. One
// thread.
class PieceRestore {
  public:
    PieceRestore(PieceList list, TargetServer& target, StagingArea& area, PieceOptions options,
                 const SessionContext& context)
        : list_(std::move(list)),
          target_(target),
          area_(area),
          options_(std::move(options)),
          context_(context) {}

    // Looks and refuses; changes nothing.
    Status prepare();
    // `keep_tablespaces`: the target has all those that the backup names.
    Status run(bool keep_tablespaces);
    [[nodiscard]] const std::vector<std::string>& report() const { return report_; }
    [[nodiscard]] const std::vector<std::string>& incomplete() const { return incomplete_; }

  private:
    Status write_script(const char* name, Grants grants, bool keep_tablespaces);
    Result<std::string> transaction_sql();
    Status run_psql();
    void describe();

    PieceList list_;
    TargetServer& target_;
    StagingArea& area_;
    PieceOptions options_;
    SessionContext context_;
    InTheWay found_;
    std::vector<std::string> places_;  // schemas that hold what was put aside
    std::uint64_t rows_ = 0;
    std::size_t tables_ = 0;
    std::vector<std::string> report_;
    std::vector<std::string> incomplete_;
};

}  // namespace asb::postgres
