#pragma once
// Why this exists: a slot that nobody reads fills the server's disk; whoever gives up streaming
// must be able to take it away.

#include "ops/context.hpp"
#include "store/store.hpp"

namespace asb {

// Takes away what the source keeps for the logs in the repository `store`, and says what that was.
Result<Report> drop_stream_slot(const OpsContext& context, Engine& engine, StoreReader& store);

}  // namespace asb
