#pragma once
// Why this exists: a base backup is consistent only with the WAL written while it was made; this
// fetches exactly that over the same connection.

#include <string>

#include "base/progress.hpp"
#include "engine/postgres/connection.hpp"
#include "engine/postgres/wal_segments.hpp"

namespace asb {

// What passed by: for the manifest.
class WalTrace;

// Streams `range` from the slot `slot` into `sink`, then ends the stream and leaves the connection
// usable. `trace` reads along, from the range's start; `server_time` becomes the server's clock
// when it sent the last of it. `database` when the server no longer has that WAL, when it changed
// its timeline, or when no WAL arrives for a minute.
Status receive_wal(Connection& connection, const std::string& slot, const WalSegments::Range& range,
                   EntrySink& sink, const WalSegments::MakeHeader& make_header, WalTrace& trace,
                   Progress& progress, CommitTime& server_time);

// The history of `timeline` (> 1) as the entry postgresql/wal/<timeline>.history; returns its text.
Result<std::string> receive_timeline_history(Connection& connection, std::uint32_t timeline,
                                             EntrySink& sink,
                                             const WalSegments::MakeHeader& make_header);

}  // namespace asb
