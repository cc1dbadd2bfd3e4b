#pragma once
// Why this exists: a data directory that is to recover to a chosen place needs settings, a signal
// file and what its restore_command reads; a server that is started with them promotes by itself.

#include <string>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/data_directory_tree.hpp"

namespace asb::postgres {

// What restore_command reads, in the data directory; removed by recovery_end_command.
inline constexpr const char* kRecoverySource = "asb_recovery.json";
inline constexpr const char* kRecoverySignal = "recovery.signal";

// The recovery's settings by name (PostgreSQL 15 manual, 20.5.5 and 20.5.6), values as they are.
std::vector<std::pair<std::string, std::string>> recovery_settings(const Recovery& recovery);

// Writes signal and source into the tree, and `auto_conf`, the text of the backed-up
// postgresql.auto.conf, with the settings behind it.
Status write_recovery(StagedTree& tree, const Recovery& recovery, std::string auto_conf);

// For the report.
std::string describe_recovery(const Recovery& recovery);

}  // namespace asb::postgres
