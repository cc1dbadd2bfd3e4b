#pragma once
// Why this exists: libmongoc waits on its sockets for minutes, and nothing can wake it. A client
// with this stream initiator waits on the stop token as well, so that a stop request fails the wait
// at once.

#include "base/stop.hpp"
#include "engine/mongodb/handles.hpp"

namespace asb {

// Makes every connection of `client` wait for `stop` too; `stop` is borrowed and must outlive the
// client. TLS, time limits and unix sockets as the client's address says.
void wait_for_stop_too(mongoc_client_t* client, const StopToken& stop);

}  // namespace asb
