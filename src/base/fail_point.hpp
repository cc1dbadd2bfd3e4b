#pragma once
// Why this exists: the crash campaign must be able to end or fail the program at every durable
// step, in the very binary that users run. A fail point costs one relaxed atomic load when it is
// not armed.
//
// Armed by ASB_FAIL_POINT="<name or *>:<n>:<action>" in the environment, read once at start:
// action is `kill` (SIGKILL to itself), `eio`, `enospc` (the step reports that errno), `stop` (as
// SIGTERM), or `count` (at exit nothing happens; each hit is appended to ASB_FAIL_POINT_LOG, one
// name a line). The n-th hit (1-based) of the named point, over all threads, acts; `*` counts every
// point.

#include <string_view>

namespace asb {

// Called just before the durable step `name`; 0, or the errno with which the step must be reported
// as failed.
int fail_point(std::string_view name);

}  // namespace asb
