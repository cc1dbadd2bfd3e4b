#pragma once
// Why this exists: `stream`: one process that follows a database's log and keeps it in the
// repository, so that seconds are lost with a server and not the hours since the last backup.

#include "ops/context.hpp"

namespace asb {

struct StreamRequest {
    bool no_promote = false;  // end with `incomplete` where a full backup would be taken first
    bool status = false;      // say how a running or the last stream stands
    bool drop_slot = false;   // take away what the server keeps for the stream
};

// Follows until a stop is requested (`interrupted`: what was taken is published and confirmed) or
// something ends it that waiting does not mend: a refused password, a key that is not the log's,
// another stream of the same log (`busy`), a gap with no_promote (`incomplete`). A lost connection
// and a repository that cannot be written are tried again, with a line in the log each.
Result<Report> run_stream(const OpsContext& context, const StreamRequest& request);

}  // namespace asb
