#pragma once
// Why this exists: one database of the backup is built beside the old one, under a name of its own,
// whole and checked, so that taking its place later is a matter of two renames.

#include <optional>
#include <string>
#include <vector>

#include "engine/postgres/private_instance.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

// Databases of the backup that a user may connect to, templates left out, by name.
Result<std::vector<std::string>> list_databases(PrivateInstance& source);

struct CopyOptions {
    std::string database;
    std::string copy;         // the name on the target
    std::string dump_folder;  // must not exist; removed again
    unsigned jobs = 2;
};

// Creates `copy` with the encoding, locale and owner of `database`, fills it with pg_dump and
// pg_restore, gives it the database's own grants and settings, and gathers statistics.
// Returns the comment that the database shall have once it takes its place: until then its
// comment says that it is half made.
// Lines worth telling the operator go to `notes`. On error the half-made database stays for the
// caller to drop.
Result<std::optional<std::string>> copy_database(PrivateInstance& source, TargetServer& target,
                                                 const CopyOptions& options,
                                                 std::vector<std::string>& notes,
                                                 const SessionContext& context);

}  // namespace asb::postgres
