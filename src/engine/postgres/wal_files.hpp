#pragma once
// Why this exists: a server that recovers asks for whole segment files; what is stored are ranges
// of WAL from many backups and objects. Here they become files again.

#include <memory>

#include "base/json.hpp"
#include "engine/log_files.hpp"

namespace asb {

// `facts`: of a manifest of this engine, for the size of segments. `damaged` without it.
Result<std::unique_ptr<LogFileNames>> wal_file_names(const Json& facts);
Result<std::unique_ptr<LogFiles>> make_wal_files(const Json& facts, LogFilesOptions options);

}  // namespace asb
