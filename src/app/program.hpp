#pragma once
// Why this exists: the whole program but the operating system's side of it: from words and
// environment to an exit status.

#include "base/stop.hpp"

namespace asb {

// The process's side, as far as signals are concerned.
struct SignalSide {
    void (*note_log)(class Log*);  // tells the signal handler which log to reopen; null: none
    int (*interrupted_status)();   // exit status of a run that a signal has stopped
};

// Runs one verb; prints its result, and returns the exit status. `stop` is requested by signals.
int run_program(int argc, const char* const* argv, const StopToken& stop,
                const SignalSide& signals);

}  // namespace asb
