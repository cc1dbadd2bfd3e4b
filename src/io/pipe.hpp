#pragma once
// Why this exists: every child that is read from or fed has pipes, which no other child may
// inherit.

#include <string_view>

#include "base/result.hpp"
#include "io/file.hpp"

namespace asb {

struct Pipe {
    UniqueFd read_end;
    UniqueFd write_end;
};

// Both ends close on exec. `failed`, naming `child`, when the process or the system has no
// descriptors left.
Result<Pipe> make_pipe(std::string_view child);

void set_nonblocking(int fd);

}  // namespace asb
