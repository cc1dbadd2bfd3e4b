#pragma once
// Why this exists: a dump is larger than memory and shall not touch the disk, so pg_dump's output
// is taken from its pipe as it comes.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/stop.hpp"
#include "io/file.hpp"
#include "io/subprocess.hpp"

namespace asb::postgres {

// A program whose stdout is read piece by piece, its stderr kept (the last 64 KiB). One thread: the
// child dies with the thread that started it. Destroyed before its end, it is killed (SIGTERM,
// after 5 s SIGKILL).
class PipedProgram {
  public:
    static Result<std::unique_ptr<PipedProgram>> start(const Command& command, StopToken stop);
    ~PipedProgram();
    PipedProgram(const PipedProgram&) = delete;
    PipedProgram& operator=(const PipedProgram&) = delete;

    // Fills `buffer` to its capacity unless the output ends before. `interrupted` when asked to
    // stop.
    Status fill(Buffer& buffer);
    // After the end of the output: waits for the program's own end and gives its exit status.
    Result<int> finish();
    // What it said on stderr so far.
    [[nodiscard]] const std::string& errors() const { return errors_; }

  private:
    explicit PipedProgram(StopToken stop) : stop_(std::move(stop)) {}
    Status wait_for_something();
    Status read_output(Buffer& buffer);
    void read_errors();
    std::optional<int> reap();

    StopToken stop_;
    pid_t pid_ = -1;
    UniqueFd process_;
    UniqueFd output_;
    UniqueFd errors_fd_;
    std::string errors_;
    std::optional<int> exit_status_;
};

}  // namespace asb::postgres
