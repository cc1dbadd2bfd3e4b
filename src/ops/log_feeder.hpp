#pragma once
// Why this exists: a server that recovers asks for one file at a time and waits for it. A process
// of its own fetches, decrypts and inflates ahead of it, so that the file is there when it is asked
// for.

#include <memory>
#include <string>

#include "ops/drivers.hpp"
#include "repo/recovery_source.hpp"

namespace asb {

// Where the feeder and those who fetch meet: a folder on the file system of the server's log.
struct FeederPlaces {
    std::string source;      // the recovery's source file; the feeder ends when it is gone
    std::string server;      // a file that is there as long as the server is; likewise
    std::string folder;      // where files wait, each under its name
    std::string beginnings;  // LogFilesOptions::beginnings
};

// How far the feeder is.
struct FeederState {
    bool alive = false;
    LogPoint next;      // files before it were put there
    std::string error;  // why it ended; empty: it did not, or ended well
};
FeederState look_at_feeder(const FeederPlaces& places);

// Starts one that begins with the file that holds `first`, unless one is alive; returns at once.
// Call it while the process has one thread.
Status start_feeder(const FeederPlaces& places, const Drivers& drivers, const LogPoint& first);
// Ends one that is alive, and removes what it put there.
void stop_feeder(const FeederPlaces& places);

// Removes what one put there that ended before the server was started: after a loss of power such
// files need not be what was written.
void forget_leftovers(const FeederPlaces& places);

// All files at once, into `folder`, by this process: where the server cannot read the repository.
// The beginnings of files are there already.
Status unpack_log(const RecoverySource& source, const Drivers& drivers, const std::string& folder,
                  const StopToken& stop);

// `line`'s branch and those of the lines it comes from, the oldest first.
std::vector<LogBranch> ancestry(const std::vector<LogBranch>& branches, std::uint32_t line);

}  // namespace asb
