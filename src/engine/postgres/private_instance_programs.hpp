#pragma once
// Why this exists: a physical backup can only be opened by the server programs of the very major
// version that wrote it; they are looked for where installations put them, and proved, not
// believed.

#include <string>

#include "base/stop.hpp"

namespace asb::postgres {

// Where postgres, pg_dump and pg_restore of one major version are.
struct ServerPrograms {
    std::string folder;
    int major = 0;
    [[nodiscard]] std::string path(const char* program) const { return folder + "/" + program; }
};

// Looks in `bin_dir` (the setting POSTGRES_BIN_DIR; when it is set, only there), then in the
// folders of Debian's and Red Hat's packages, then on PATH. `database` with the package's name when
// none of them has that major version.
Result<ServerPrograms> find_server_programs(const std::string& bin_dir, int major,
                                            const StopToken& stop);

// 15 for "postgres (PostgreSQL) 15.20 (Debian ...)"; 0 for anything else.
int major_in(const std::string& version_line);

}  // namespace asb::postgres
