#pragma once
// Why this exists: a base backup is consistent only with the WAL written while it was made; this
// fetches exactly that over the same connection.

#include <string>

#include "base/progress.hpp"
#include "engine/postgres/connection.hpp"
#include "engine/postgres/wal_segments.hpp"

namespace asb {

// Streams `range` from the slot `slot` into `sink`, then ends the stream and leaves the connection
// usable. `database` when the server no longer has that WAL, when it changed its timeline, or when
// no WAL arrives for a minute.
Status receive_wal(Connection& connection, const std::string& slot, const WalSegments::Range& range,
                   EntrySink& sink, const WalSegments::MakeHeader& make_header, Progress& progress);

// The history of `timeline` (> 1) as the entry postgresql/wal/<timeline>.history.
Status receive_timeline_history(Connection& connection, std::uint32_t timeline, EntrySink& sink,
                                const WalSegments::MakeHeader& make_header);

}  // namespace asb
