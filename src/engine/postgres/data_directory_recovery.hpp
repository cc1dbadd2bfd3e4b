#pragma once
// Why this exists: a data directory that is to recover to a chosen place needs settings, a signal
// file and the way to its WAL; a server that is started with them promotes by itself.

#include <string>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/data_directory_tree.hpp"

namespace asb::postgres {

// How the server gets the WAL after that of the backup.
enum class WalWay {
    fetched,   // its restore_command reads the repository
    unpacked,  // it lies in pg_wal, since the server's user may not read the repository
};

// Asks the fetching program itself, as `owner` when that is another user than ours.
Result<WalWay> choose_wal_way(const Recovery& recovery, const std::optional<Owner>& owner,
                              const StopToken& stop);

// The recovery's settings by name (PostgreSQL 15 manual, 20.5.5 and 20.5.6), values as they are.
std::vector<std::pair<std::string, std::string>> recovery_settings(const Recovery& recovery,
                                                                   WalWay way);

struct RecoveryFiles {
    WalWay way = WalWay::fetched;
    std::string auto_conf;  // the text of the backed-up postgresql.auto.conf
    std::optional<Owner> owner;
    bool durable = true;
};
// Writes signal, settings and source (or the WAL itself) into the tree.
Status write_recovery(StagedTree& tree, const Recovery& recovery, RecoveryFiles files);

// For the report and the plan.
std::string describe_recovery(const Recovery& recovery);

}  // namespace asb::postgres
