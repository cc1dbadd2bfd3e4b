#pragma once
// Why this exists: the database's own programs (postgres, pg_dump, pg_restore) run as children:
// arguments never through a shell, secrets only through the environment or a pipe, stderr captured
// for the error text, nothing left running.

#include <sys/types.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/stop.hpp"

namespace asb {

struct Command {
    std::vector<std::string> arguments;  // [0] is the program, a path or looked up on PATH
    std::vector<std::pair<std::string, std::string>> environment =
        {};                                  // added to, or replacing in, a minimal environment
    std::optional<std::string> run_as = {};  // user name to become (with its groups); needs root
    std::string folder = {};                 // working folder; empty: "/"
};

struct CommandResult {
    int exit_status = 0;      // 128 + signal when killed
    std::string output = {};  // stdout, at most kCapturedBytesMax (the rest is dropped)
    std::string errors = {};  // stderr, the last kCapturedBytesMax
};

inline constexpr std::size_t kCapturedBytesMax = std::size_t{1024} * 1024;

// Runs to the end. The child is killed (SIGTERM, after 5 s SIGKILL) when `stop` is requested or the
// deadline passes (then `interrupted` or `failed`). `input` is written to its stdin. The child dies
// with us (PR_SET_PDEATHSIG).
Result<CommandResult> run_command(const Command& command, std::string_view input, StopToken stop,
                                  Deadline deadline);

// A child that keeps running. Killed as above on destruction. One thread at a time. The kernel ties
// PR_SET_PDEATHSIG to the thread that called `start`: it must live as long as the child should.
class ChildProcess {
  public:
    // Its stdout and stderr go to the file `log_path` (truncated first; created 0600).
    static Result<std::unique_ptr<ChildProcess>> start(const Command& command,
                                                       const std::string& log_path);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    [[nodiscard]] pid_t pid() const { return pid_; }
    // The exit status once it has ended, else nullopt.
    std::optional<int> poll_exit();
    void signal(int number) const;
    // Waits until it has ended or the deadline passes; false when it still runs.
    bool wait(Deadline deadline);

  private:
    explicit ChildProcess(pid_t pid) : pid_(pid) {}
    pid_t pid_ = -1;
    std::optional<int> exit_status_;
};

// The path of `program` on PATH, or empty.
std::string find_on_path(std::string_view program);

}  // namespace asb
