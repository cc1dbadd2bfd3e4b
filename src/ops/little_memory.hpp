#pragma once
// Why this exists: a process that runs for months beside others, or that holds parts for several
// destinations at once, should hold only what it uses.

namespace asb {

// Before any other thread runs.
void keep_little_memory();

}  // namespace asb
