#include "engine/postgres/logical_pipe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/clock.hpp"
#include "io/pipe.hpp"
#include "io/spawn.hpp"

namespace asb::postgres {
namespace {

using namespace std::chrono_literals;

constexpr auto kGrace = 5s;
constexpr auto kPollInterval = 20ms;
constexpr int kPollTimeoutMs = 1000;  // a bound only: every descriptor that matters is waited for
constexpr int kPipeBytes = 1 << 20;   // pipe-max-size of an ordinary user, pipe(7)
constexpr std::size_t kErrorBytesMax = 64 * kKiB;
constexpr std::size_t kErrorBlockBytes = 4 * kKiB;

}  // namespace

Result<std::unique_ptr<PipedProgram>> PipedProgram::start(const Command& command, StopToken stop) {
    ASB_CHECK(stop.check());
    ASB_TRY(const auto input, open_file("/dev/null", O_RDONLY));
    ASB_TRY(auto output, make_pipe("a child"));
    ASB_TRY(auto errors, make_pipe("a child"));
    // Fewer switches between the two programs; without it everything works as well.
    fcntl(output.read_end.get(), F_SETPIPE_SZ, kPipeBytes);
    set_nonblocking(output.read_end.get());
    set_nonblocking(errors.read_end.get());
    std::unique_ptr<PipedProgram> program(new PipedProgram(std::move(stop)));
    ASB_TRY(program->pid_,
            spawn(command, {input.get(), output.write_end.get(), errors.write_end.get()}));
    program->process_ = open_process(program->pid_);
    program->output_ = std::move(output.read_end);
    program->errors_fd_ = std::move(errors.read_end);
    return program;
}

PipedProgram::~PipedProgram() {
    if (pid_ < 0 || exit_status_) return;
    kill(pid_, SIGTERM);
    for (const auto deadline = after(kGrace);
         !reap() && std::chrono::steady_clock::now() < deadline;)
        std::this_thread::sleep_for(kPollInterval);
    if (exit_status_) return;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

Status PipedProgram::fill(Buffer& buffer) {
    while (output_.valid() && buffer.room() != 0) {
        ASB_CHECK(stop_.check());
        ASB_CHECK(wait_for_something());
        ASB_CHECK(read_output(buffer));
    }
    return {};
}

Status PipedProgram::wait_for_something() {
    std::array<pollfd, 3> waits{
        {{output_.get(), POLLIN, 0}, {errors_fd_.get(), POLLIN, 0}, {stop_.poll_fd(), POLLIN, 0}}};
    if (poll(waits.data(), waits.size(), kPollTimeoutMs) < 0 && errno != EINTR)
        return errno_error(errno, "cannot wait for", "a child");
    if (waits[1].revents != 0) read_errors();
    return stop_.check();
}

Status PipedProgram::read_output(Buffer& buffer) {
    const ssize_t count = read(output_.get(), buffer.tail().data(), buffer.room());
    if (count > 0) buffer.grow(static_cast<std::size_t>(count));
    if (count == 0) output_.reset();
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        return errno_error(errno, "cannot read from", "a child");
    return {};
}

void PipedProgram::read_errors() {
    std::array<char, kErrorBlockBytes> block;
    const ssize_t count = read(errors_fd_.get(), block.data(), block.size());
    if (count > 0) errors_.append(block.data(), static_cast<std::size_t>(count));
    if (count == 0) errors_fd_.reset();
    if (errors_.size() > kErrorBytesMax) errors_.erase(0, errors_.size() - kErrorBytesMax);
}

std::optional<int> PipedProgram::reap() {
    int status = 0;
    if (!exit_status_ && waitpid(pid_, &status, WNOHANG) == pid_)
        exit_status_ = shell_status(status);
    return exit_status_;
}

Result<int> PipedProgram::finish() {
    while (!reap()) {
        ASB_CHECK(stop_.check());
        std::array<pollfd, 3> waits{{{process_.get(), POLLIN, 0},
                                     {errors_fd_.get(), POLLIN, 0},
                                     {stop_.poll_fd(), POLLIN, 0}}};
        constexpr int kLookAgainMs = 20;
        poll(waits.data(), waits.size(), process_.valid() ? kPollTimeoutMs : kLookAgainMs);
        if (waits[1].revents != 0) read_errors();
    }
    // What is in the pipe already; its end may never come, should a grandchild hold it.
    for (std::size_t i = 0; errors_fd_.valid() && i < kErrorBytesMax / kErrorBlockBytes; ++i)
        read_errors();
    return *exit_status_;
}

}  // namespace asb::postgres
