#include "io/subprocess.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "io/pipe.hpp"
#include "io/spawn.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;

// From the polite signal to the one that cannot be refused: enough for a server to shut down.
constexpr milliseconds kGrace{5000};
// How often a child is looked at where the kernel cannot tell us that it ended.
constexpr milliseconds kPollInterval{20};
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;

// Milliseconds for poll(2) until `deadline`: 0 when it has passed, never negative.
int poll_timeout(Deadline deadline, bool must_look) {
    auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    constexpr milliseconds kLongest{60'000};
    left = std::clamp(left, milliseconds(0), must_look ? kPollInterval : kLongest);
    return static_cast<int>(left.count());
}

// Keeps SIGPIPE, which a child that closed its stdin would send us, from ending the process.
class SigpipeBlocked {
  public:
    SigpipeBlocked() {
        sigemptyset(&sigpipe_);
        sigaddset(&sigpipe_, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    }
    ~SigpipeBlocked() {
        const timespec now{};
        if (sigismember(&before_, SIGPIPE) == 0)
            while (sigtimedwait(&sigpipe_, nullptr, &now) < 0 && errno == EINTR) {
            }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    SigpipeBlocked(const SigpipeBlocked&) = delete;
    SigpipeBlocked& operator=(const SigpipeBlocked&) = delete;

  private:
    sigset_t sigpipe_{};
    sigset_t before_{};
};

// Sends `number`; SIGKILL goes to everything the child started in its group besides.
void send_signal(pid_t pid, int number) {
    if (number == SIGKILL) kill(-pid, number);
    kill(pid, number);
}

// The exit status of `pid` once it has ended.
std::optional<int> reap(pid_t pid) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return shell_status(status);
    return std::nullopt;
}

// Once `pid` has ended, kills what it started in its group and left behind. Before it is waited
// for: until then neither its number nor its group's can be anybody else's.
void kill_what_it_left(pid_t pid) {
    siginfo_t info{};
    const int looked = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
    if (looked == 0 && info.si_pid == pid) kill(-pid, SIGKILL);
}

// One run of a child, from its start to its end.
class Run {
  public:
    Run(const Command& command, std::string_view input, StopToken stop, Deadline deadline)
        : command_(command), input_(input), stop_(std::move(stop)), deadline_(deadline) {}

    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
        if (pid_ < 0 || exit_status_) return;
        send_signal(pid_, SIGKILL);
        while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    Result<CommandResult> to_the_end() {
        ASB_CHECK(start());
        while (!exit_status_) {
            ASB_CHECK(wait_for_something());
            end_when_due();
            if (why_ended_) kill_what_it_left(pid_);
            exit_status_ = reap(pid_);
        }
        read_rest();
        if (why_ended_) return *why_ended_;
        result_.exit_status = *exit_status_;
        return std::move(result_);
    }

  private:
    Status start() {
        ASB_TRY(auto input, make_pipe("a child"));
        ASB_TRY(auto output, make_pipe("a child"));
        ASB_TRY(auto errors, make_pipe("a child"));
        ASB_TRY(pid_, spawn(command_, {input.read_end.get(), output.write_end.get(),
                                       errors.write_end.get()}));
        process_ = open_process(pid_);
        input_fd_ = std::move(input.write_end);
        output_fd_ = std::move(output.read_end);
        errors_fd_ = std::move(errors.read_end);
        for (const auto* fd : {&input_fd_, &output_fd_, &errors_fd_}) set_nonblocking(fd->get());
        if (input_.empty()) input_fd_.reset();
        return {};
    }

    Status wait_for_something() {
        // A negative descriptor is one that poll(2) passes over.
        std::array<pollfd, 5> waits{{{input_fd_.get(), POLLOUT, 0},
                                     {output_fd_.get(), POLLIN, 0},
                                     {errors_fd_.get(), POLLIN, 0},
                                     {process_.get(), POLLIN, 0},
                                     {why_ended_ ? -1 : stop_.poll_fd(), POLLIN, 0}}};
        const int timeout = poll_timeout(next_step_at(), !process_.valid());
        if (poll(waits.data(), waits.size(), timeout) < 0) {
            if (errno == EINTR) return {};
            return errno_error(errno, "cannot wait for", command_.arguments.front());
        }
        if (waits[0].revents != 0) write_some();
        if (waits[1].revents != 0) read_output();
        if (waits[2].revents != 0) read_errors();
        return {};
    }

    [[nodiscard]] Deadline next_step_at() const {
        if (killed_) return Deadline::max();
        return why_ended_ ? kill_at_ : deadline_;
    }

    // First the polite signal, then, kGrace later, the other.
    void end_when_due() {
        const auto time = std::chrono::steady_clock::now();
        const auto& program = command_.arguments.front();
        if (why_ended_) {
            if (killed_ || time < kill_at_) return;
            send_signal(pid_, SIGKILL);
            killed_ = true;
            return;
        }
        if (stop_.requested())
            why_ended_ =
                fail(Code::interrupted, "stopped on request while {} was running", program);
        else if (time >= deadline_)
            why_ended_ = fail(Code::failed, "{} did not end in time and was stopped", program);
        if (!why_ended_) return;
        send_signal(pid_, SIGTERM);
        kill_at_ = time + kGrace;
    }

    void write_some() {
        const SigpipeBlocked blocked;
        const ssize_t count = write(input_fd_.get(), input_.data(), input_.size());
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (count > 0) input_.remove_prefix(static_cast<std::size_t>(count));
        // A child that does not want the rest says so by its exit status, if it matters.
        if (count < 0 || input_.empty()) input_fd_.reset();
    }

    // Reads once; false when there was nothing to read. Closes at the end.
    bool read_into(UniqueFd& fd, std::string& text) {
        if (!fd.valid()) return false;
        std::array<char, kReadBytes> block;
        const ssize_t count = read(fd.get(), block.data(), block.size());
        if (count > 0) text.append(block.data(), static_cast<std::size_t>(count));
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) fd.reset();
        return count > 0;
    }

    bool read_output() {
        const bool more = read_into(output_fd_, result_.output);
        if (result_.output.size() > kCapturedBytesMax) result_.output.resize(kCapturedBytesMax);
        return more;
    }

    bool read_errors() {
        const bool more = read_into(errors_fd_, result_.errors);
        if (result_.errors.size() > kCapturedBytesMax)
            result_.errors.erase(0, result_.errors.size() - kCapturedBytesMax);
        return more;
    }

    // What is in the pipes already. Not until their end: something that the child left running may
    // hold them for ever.
    void read_rest() {
        constexpr int kBlocksMax = 64;  // a pipe holds at most 1 MiB by default (pipe-max-size)
        for (int i = 0; i < kBlocksMax && read_output(); ++i) {
        }
        for (int i = 0; i < kBlocksMax && read_errors(); ++i) {
        }
    }

    const Command& command_;  // the caller's, for the run
    std::string_view input_;  // likewise: what is not written yet
    const StopToken stop_;
    const Deadline deadline_;
    pid_t pid_ = -1;
    UniqueFd process_;
    UniqueFd input_fd_;
    UniqueFd output_fd_;
    UniqueFd errors_fd_;
    std::optional<int> exit_status_;
    std::optional<Error> why_ended_;
    Deadline kill_at_;
    bool killed_ = false;
    CommandResult result_;
};

}  // namespace

Result<CommandResult> run_command(const Command& command, std::string_view input, StopToken stop,
                                  Deadline deadline) {
    ASB_CHECK(stop.check());
    return Run(command, input, std::move(stop), deadline).to_the_end();
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const Command& command,
                                                          const std::string& log_path) {
    ASB_TRY(const auto input, open_file("/dev/null", O_RDONLY));
    ASB_TRY(const auto log, open_file(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND));
    ASB_TRY(const pid_t pid, spawn(command, {input.get(), log.get(), log.get()}));
    return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() {
    if (poll_exit()) return;
    signal(SIGTERM);
    if (wait(after(kGrace))) return;
    signal(SIGKILL);
    wait(Deadline::max());
}

std::optional<int> ChildProcess::poll_exit() {
    if (!exit_status_) exit_status_ = reap(pid_);
    return exit_status_;
}

void ChildProcess::signal(int number) const {
    // Once it was waited for, its number may be somebody else's.
    if (!exit_status_) send_signal(pid_, number);
}

bool ChildProcess::wait(Deadline deadline) {
    const UniqueFd process = exit_status_ ? UniqueFd() : open_process(pid_);
    while (!poll_exit()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        pollfd wait_for{process.get(), POLLIN, 0};
        poll(&wait_for, 1, poll_timeout(deadline, !process.valid()));
    }
    return true;
}

}  // namespace asb
