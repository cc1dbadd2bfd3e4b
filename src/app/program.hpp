#pragma once
// Why this exists: the whole program but the operating system's side of it: from words and
// environment to an exit status.

#include "base/stop.hpp"

namespace asb {

// Runs one verb; prints its result. `stop` is requested by signals; `note_log` gives the signal
// handler the log to reopen.
int run_program(int argc, const char* const* argv, const StopToken& stop,
                void (*note_log)(class Log*));

}  // namespace asb
