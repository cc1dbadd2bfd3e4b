#pragma once
// Why this exists: tablespaces get their final names before the data directory that points to them,
// so a run that is killed in between leaves folders that look like somebody's data. Each carries a
// mark until the data directory has its name, too; by it the next restore knows what it may remove.
//
// The mark names the folder in which the data directory was being made. While that folder exists
// and no run holds its lock, the restore died unfinished. Once the data directory has its final
// name that folder is gone, and a mark that was left behind means nothing any more.

#include <string>

#include "engine/postgres/data_directory_tree.hpp"

namespace asb::postgres {

// In a mount point that is filled in place: stands there until the data directory is whole.
inline constexpr const char* kInPlaceMark = ".auth-service-backup.restoring";

// Puts the mark into a tablespace that is being made; `staging` is the data directory's folder.
Status put_mark(StagedTree& tablespace, const std::string& staging);

// Takes the mark away again. A failure harms nothing and is not told.
void take_mark(const StagedTree& tablespace);

// Whether `folder` is a tablespace of a restore that died before its data directory had its name.
// By looking only.
bool is_of_dead_restore(const std::string& folder);

// Empties such a folder, the mark last; does nothing to any other.
Status clear_if_of_dead_restore(const std::string& folder);

}  // namespace asb::postgres
