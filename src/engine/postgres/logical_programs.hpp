#pragma once
// Why this exists: a logical backup is pg_dump's, and pg_dump refuses a server that is newer than
// itself; so the programs are looked for by version, and what they lack is said before they run.

#include <string>
#include <utility>
#include <vector>

#include "base/stop.hpp"
#include "engine/postgres/connection.hpp"
#include "io/subprocess.hpp"

namespace asb::postgres {

// Where pg_dump, pg_dumpall, pg_restore and psql of one major version are.
struct ClientPrograms {
    std::string folder;
    int major = 0;
    std::string version;  // "15.20"
    [[nodiscard]] std::string path(const char* program) const { return folder + "/" + program; }
};

// Programs of `major` or, failing that, of the next newer one: in `bin_dir` (POSTGRES_BIN_DIR; when
// it is set, only there), in the folders of Debian's and Red Hat's packages, on PATH. `database`
// with the package's name when there are none.
Result<ClientPrograms> find_client_programs(const std::string& bin_dir, int major,
                                            const StopToken& stop);

// What leads libpq's programs to the server of `url`, its password included: for an environment
// only. Not the database.
using ProgramEnvironment = std::vector<std::pair<std::string, std::string>>;
Result<ProgramEnvironment> libpq_environment(const std::string& url,
                                             const std::string& application_name);

// The database that `words` name, as libpq would resolve it: dbname, PGDATABASE, else `user`.
std::string resolve_database(const ConninfoWords& words, const std::string& user);

// "dbname='...'": a name that holds '=' or looks like a URL stays a name.
std::string dbname_word(const std::string& database);

// The error for a program that ended with `status` and said `errors`: its first lines, and `space`
// when a disk is full.
Error program_error(const char* program, const std::string& database, int status,
                    const std::string& errors);

}  // namespace asb::postgres
