#pragma once
// Why this exists: `verify --chain`: an incremental backup that is good is worth nothing when one
// before it is not, or when the log between them does not go on.

#include "ops/context.hpp"

namespace asb {

// The full backup that `reference` goes back to, each incremental backup and each piece of streamed
// log from there to its end (of a full backup: to the end of all that is kept): every byte of each,
// and the log's own records from the first to the last. `damaged` names the first that does not
// verify.
Result<Report> verify_chain(const OpsContext& context, const std::string& reference);

}  // namespace asb
