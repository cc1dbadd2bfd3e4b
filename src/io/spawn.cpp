#include "io/spawn.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/text.hpp"
#include "io/pipe.hpp"

namespace asb {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int kExecFailedStatus = 127;

struct Identity {
    uid_t user = 0;
    gid_t group = 0;
    std::vector<gid_t> groups;
    std::string home;
};

// Everything the child needs, ready for use after fork.
struct Plan {
    std::string program;
    std::vector<std::string> argument_texts;
    std::vector<std::string> environment_texts;
    std::vector<char*> arguments;    // into argument_texts, then null
    std::vector<char*> environment;  // into environment_texts, then null
    std::optional<Identity> identity;
    std::string folder;
    ChildStreams streams;
    int report_fd = -1;  // the child writes what failed there; closed by a successful exec
    pid_t parent = -1;
};

// Which step of the child failed, and how; written whole through the report pipe.
enum class Step : int { become_user, enter_folder, set_streams, run_program };
struct Report {
    Step step;
    int error;
};

std::string environment_value(const char* name) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
    return text == nullptr ? std::string() : std::string(text);
}

Result<Identity> find_user(const std::string& name) {
    std::array<char, 16384> memory{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found) != 0 || !found)
        return with_hint(fail(Code::usage, "there is no user named {}", printable(name)),
                         "name a user of this machine, as in postgres");
    Identity identity{entry.pw_uid, entry.pw_gid, {}, entry.pw_dir};
    int count = 0;
    getgrouplist(name.c_str(), identity.group, nullptr, &count);
    identity.groups.resize(static_cast<std::size_t>(count));
    getgrouplist(name.c_str(), identity.group, identity.groups.data(), &count);
    return identity;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

std::vector<std::string> make_environment(const Command& command, const std::string& home) {
    std::map<std::string, std::string> values;
    const auto path = environment_value("PATH");
    values["PATH"] = path.empty() ? std::string(kDefaultPath) : path;
    values["LANG"] = "C.UTF-8";  // messages that our own error texts can be matched against
    values["HOME"] = home.empty() ? "/" : home;
    if (const auto zone = environment_value("TZ"); !zone.empty()) values["TZ"] = zone;
    for (const auto& [name, value] : command.environment) values[name] = value;
    std::vector<std::string> texts;
    texts.reserve(values.size());
    for (const auto& [name, value] : values) texts.push_back(fmt::format("{}={}", name, value));
    return texts;
}

Error cannot_run(const std::string& program, int error) {
    auto result = errno_error(error, "cannot run", program);
    if (error == ENOENT)
        result.hint = fmt::format("install {}, or put its folder on PATH", program);
    return result;
}

Result<Plan> make_plan(const Command& command, const ChildStreams& streams) {
    ASB_ASSERT(!command.arguments.empty());
    Plan plan;
    const auto& name = command.arguments.front();
    plan.program = name.find('/') == std::string::npos ? find_on_path(name) : name;
    if (plan.program.empty()) return cannot_run(name, ENOENT);
    if (command.run_as) {
        ASB_TRY(plan.identity, find_user(*command.run_as));
    }
    plan.argument_texts = command.arguments;
    plan.environment_texts =
        make_environment(command, plan.identity ? plan.identity->home : environment_value("HOME"));
    plan.folder = command.folder.empty() ? "/" : command.folder;
    plan.streams = streams;
    plan.parent = getpid();
    return plan;
}

// From here to run_child: after fork, async-signal-safe calls only.

// Raw system calls: the child has one thread, and libc's own would look for others to change too.
bool become(const Identity& identity) {
    return syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) == 0 &&
           syscall(SYS_setresgid, identity.group, identity.group, identity.group) == 0 &&
           syscall(SYS_setresuid, identity.user, identity.user, identity.user) == 0;
}

// dup2 of a descriptor onto itself would leave it closed on exec.
bool place(int from, int to) {
    if (from == to) return fcntl(to, F_SETFD, 0) == 0;
    return dup2(from, to) == to;
}

bool place_streams(const ChildStreams& streams) {
    return place(streams.input, STDIN_FILENO) && place(streams.output, STDOUT_FILENO) &&
           place(streams.errors, STDERR_FILENO);
}

// Everything but 0, 1 and 2 goes with exec; the report pipe must live until then.
void close_others_on_exec() {
    constexpr unsigned kFirst = STDERR_FILENO + 1;
    if (close_range(kFirst, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    rlimit limit{};  // before Linux 5.11
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    for (unsigned fd = kFirst; fd < limit.rlim_cur; ++fd)
        fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
}

void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) sigaction(number, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void give_up(const Plan& plan, Step step) {
    const Report report{step, errno};
    [[maybe_unused]] const auto written = write(plan.report_fd, &report, sizeof report);
    _exit(kExecFailedStatus);
}

[[noreturn]] void run_child(const Plan& plan) {
    setpgid(0, 0);
    reset_signals();
    if (plan.identity && !become(*plan.identity)) give_up(plan, Step::become_user);
    // After the change of user, which clears it; and the parent may have died before.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan.parent) _exit(kExecFailedStatus);
    if (chdir(plan.folder.c_str()) != 0) give_up(plan, Step::enter_folder);
    if (!place_streams(plan.streams)) give_up(plan, Step::set_streams);
    close_others_on_exec();
    execve(plan.program.c_str(), plan.arguments.data(), plan.environment.data());
    give_up(plan, Step::run_program);
}

// Forks with every signal blocked, so that our own handlers never run in the child.
pid_t fork_child(const Plan& plan) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0) run_child(plan);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return pid;
}

Error explain(const Report& report, const Plan& plan, const Command& command) {
    switch (report.step) {
        case Step::become_user: {
            auto error =
                errno_error(report.error, "cannot become the user", command.run_as.value_or(""));
            error.hint = "run as root, or as that user";
            return error;
        }
        case Step::enter_folder:
            return errno_error(report.error, "cannot enter the folder", plan.folder);
        case Step::set_streams:
            return errno_error(report.error, "cannot set the streams of", plan.program);
        case Step::run_program:
            break;
    }
    return cannot_run(plan.program, report.error);
}

// What the child reported before exec; nullopt once exec has closed the pipe.
std::optional<Report> read_report(int fd) {
    Report report{};
    ssize_t count = 0;
    do count = read(fd, &report, sizeof report);
    while (count < 0 && errno == EINTR);
    if (count != static_cast<ssize_t>(sizeof report)) return std::nullopt;
    return report;
}

}  // namespace

Result<pid_t> spawn(const Command& command, const ChildStreams& streams) {
    ASB_TRY(auto plan, make_plan(command, streams));
    plan.arguments = pointers_to(plan.argument_texts);
    plan.environment = pointers_to(plan.environment_texts);
    ASB_TRY(Pipe report_pipe, make_pipe(plan.program));
    plan.report_fd = report_pipe.write_end.get();
    const pid_t pid = fork_child(plan);
    if (pid < 0) return errno_error(errno, "cannot start", plan.program);
    report_pipe.write_end.reset();
    const auto report = read_report(report_pipe.read_end.get());
    if (!report) return pid;
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return explain(*report, plan, command);
}

UniqueFd open_process(pid_t pid) {
    return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

int shell_status(int wait_status) {
    constexpr int kSignalled = 128;
    if (WIFSIGNALED(wait_status)) return kSignalled + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

std::string find_on_path(std::string_view program) {
    const auto path = environment_value("PATH");
    for (const auto& folder : split(path.empty() ? std::string(kDefaultPath) : path, ':')) {
        if (folder.empty()) continue;  // POSIX: the working folder, which we never run from
        auto candidate = fmt::format("{}/{}", folder, program);
        struct stat info {};
        if (stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
            access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return {};
}

}  // namespace asb
