#pragma once
// Why this exists: every child that is read from or fed has pipes, which no other child may
// inherit.

#include "base/result.hpp"
#include "io/file.hpp"

namespace asb {

struct Pipe {
    UniqueFd read_end;
    UniqueFd write_end;
};

// Both ends close on exec. `failed` when the process or the system has no descriptors left.
Result<Pipe> make_pipe();

void set_nonblocking(int fd);

}  // namespace asb
