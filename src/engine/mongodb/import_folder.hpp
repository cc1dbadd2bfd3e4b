#pragma once
// Why this exists: `mongodump --out` and a backup of ours have the same names for the same things;
// so a dump's folder is read as if it were an unpacked backup.

#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"

namespace asb::mongodb {

// A file of the dump that is to be read.
struct DumpFile {
    std::string path;   // as open(2) takes it
    std::string entry;  // as a backup of ours names it; without ".gz"
    bool gzip = false;
};

// The files of the dump in `folder`, in the order in which a restore wants them: versions, then
// what each collection is, then the data, the oplog last. What no mongodump writes is passed over
// with a warning. `usage` when it is no dump at all.
Result<std::vector<DumpFile>> find_dump_files(const std::string& folder, Log& log);

}  // namespace asb::mongodb
