#pragma once
// Why this exists: between fork and exec only async-signal-safe calls are allowed, so everything a
// child needs is looked up and laid out before, and this is the one place that forks.

#include <sys/types.h>

#include "io/file.hpp"
#include "io/subprocess.hpp"

namespace asb {

// What the child gets as its descriptors 0, 1 and 2; borrowed, none may be 0, 1 or 2 itself unless
// it already stands in its own place.
struct ChildStreams {
    int input = -1;
    int output = -1;
    int errors = -1;
};

// Starts the program of `command`, as the leader of a process group of its own (a Ctrl-C on the
// terminal reaches us, and we end the child in order), with nothing open but `streams`, every
// signal at its default, and SIGKILL when the thread that called this ends: call it from a thread
// that lives as long as the child should. `usage` when run_as names nobody; `failed` when the
// program cannot be run ("cannot run X: No such file or directory").
Result<pid_t> spawn(const Command& command, const ChildStreams& streams);

// A descriptor that becomes readable when `pid`, a child not yet waited for, ends. Invalid where
// the kernel has none (before Linux 5.3): then poll with a short timeout instead.
UniqueFd open_process(pid_t pid);

// The exit status as a shell gives it (128 + signal when killed), from a status of waitpid(2).
int shell_status(int wait_status);

}  // namespace asb
