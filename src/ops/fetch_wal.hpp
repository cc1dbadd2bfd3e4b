#pragma once
// Why this exists: `fetch-wal`: what a recovering PostgreSQL runs as its restore_command.

#include <string>

#include "ops/drivers.hpp"

namespace asb {

struct FetchOptions {
    std::string source;  // the recovery's source file; the server's places are beside it
    std::string name;    // of the file that the server wants
    std::string path;    // where it wants it
    bool end = false;    // the recovery has ended: remove source and prefetched files
    bool probe = false;  // only find out whether the source and the repository can be read
};

// The exit status, as PostgreSQL 15 manual, 26.3.4 wants it: 0 when the whole file is at `path`, 1
// when the repository has no such file, and above 200 for anything else, at which the server gives
// up instead of taking a failure for the end of the log. Says on stderr what is wrong.
int fetch_wal(const FetchOptions& options, const Drivers& drivers);

}  // namespace asb
