#pragma once
// Why this exists: one database of the backup is built beside the old one, under a name of its own,
// whole and checked, so that taking its place later is a matter of two renames.

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/swap_source.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

struct CopyOptions {
    std::string database;
    std::string copy;  // the name on the target
    unsigned jobs = 2;
    std::string use_list = {};  // a file for pg_restore's --use-list: only that; empty: everything
};

// Creates `copy` with the encoding, locale and owner of `database`, fills it from the source's dump
// with pg_restore, gives it the database's own grants and settings, and gathers statistics. The
// source's dump stays for a comparison; the caller discards it.
// Returns the comment that the database shall have once it takes its place: until then its
// comment says that it is half made.
// Lines worth telling the operator go to `notes`. On error the half-made database stays for the
// caller to drop.
Result<std::optional<std::string>> copy_database(CopySource& source, TargetServer& target,
                                                 const CopyOptions& options,
                                                 std::vector<std::string>& notes,
                                                 const SessionContext& context);

}  // namespace asb::postgres
