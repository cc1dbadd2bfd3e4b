#include "io/subprocess.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

constexpr seconds kPatience{60};  // less than any of the scripts sleeps

Command shell(const std::string& script) {
    return {.arguments = {"/bin/sh", "-c", script}};
}

CommandResult run(const Command& command, std::string_view input = {}) {
    auto result = run_command(command, input, StopToken(), after(kPatience));
    EXPECT_TRUE(result.ok()) << to_text(result.error());
    return result.ok() ? std::move(*result) : CommandResult{.exit_status = -1};
}

bool wait_until(const std::function<bool()>& condition) {
    for (const auto deadline = after(kPatience); steady_clock::now() < deadline;) {
        if (condition()) return true;
        usleep(5000);
    }
    return false;
}

bool exists(pid_t pid) {
    return kill(pid, 0) == 0;
}

// True for a zombie too: an orphan stays one until init looks at it.
bool has_ended(pid_t pid) {
    const auto state = read_file(fmt::format("/proc/{}/stat", pid), 10'000);
    return !state.ok() || state.value().find(") Z") != std::string::npos;
}

class Subprocess : public testing::Test {
  public:
    ~Subprocess() override { EXPECT_TRUE(remove_tree(folder_).ok()); }
    Subprocess(const Subprocess&) = delete;
    Subprocess& operator=(const Subprocess&) = delete;

  protected:
    Subprocess() {
        const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
        folder_ = std::string(base != nullptr ? base : "/tmp") + "/asb-subprocess-XXXXXX";
        EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    }

    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
    // The number that a script wrote into the file `name`, once it is whole.
    [[nodiscard]] pid_t number_in(const std::string& name) const {
        std::string text;
        EXPECT_TRUE(wait_until([&] {
            auto read = read_file(path(name), 100);
            text = read.ok() ? *read : "";
            return text.ends_with('\n');
        }));
        return static_cast<pid_t>(parse_u64(trim(text)).value_or(0));
    }

    std::string folder_;
};

TEST_F(Subprocess, GivesTheOutputOfTheProgram) {
    const auto result = run({.arguments = {"echo", "one", "two  three"}});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.output, "one two  three\n");
    EXPECT_EQ(result.errors, "");
}

TEST_F(Subprocess, KeepsOutputAndErrorsApart) {
    const auto result = run(shell("echo good; echo bad >&2"));
    EXPECT_EQ(result.output, "good\n");
    EXPECT_EQ(result.errors, "bad\n");
}

TEST_F(Subprocess, NeverPassesArgumentsThroughAShell) {
    const std::string text = "$(id) `id` ; & | > < * ' \" \\ \n";
    const auto result = run({.arguments = {"printf", "%s", text}});
    EXPECT_EQ(result.output, text);
}

TEST_F(Subprocess, WritesItsInputWhileItReadsTheOutput) {
    const std::string input(900'000, 'x');  // far more than two pipes hold
    EXPECT_EQ(run(shell("cat"), input).output, input);
}

TEST_F(Subprocess, EndsTheInputSoThatTheProgramSeesItsEnd) {
    EXPECT_EQ(run(shell("cat; echo end"), "").output, "end\n");
    EXPECT_EQ(run(shell("cat; echo end"), "text ").output, "text end\n");
}

TEST_F(Subprocess, SurvivesAProgramThatDoesNotReadItsInput) {
    const auto result = run(shell("exec 0<&-; exit 3"), std::string(900'000, 'x'));
    EXPECT_EQ(result.exit_status, 3);
}

TEST_F(Subprocess, GivesTheExitStatus) {
    EXPECT_EQ(run(shell("exit 42")).exit_status, 42);
}

TEST_F(Subprocess, GivesASignalAsAShellDoes) {
    EXPECT_EQ(run(shell("kill -SEGV $$")).exit_status, 128 + SIGSEGV);
}

TEST_F(Subprocess, KeepsTheStartOfALargeOutput) {
    const auto result = run(shell("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo last"));
    EXPECT_EQ(result.output.size(), kCapturedBytesMax);
    EXPECT_THAT(result.output, StartsWith("first\nxxx"));
    EXPECT_THAT(result.output, EndsWith("xxx"));
}

TEST_F(Subprocess, KeepsTheEndOfLargeErrors) {
    const auto result = run(shell("(head -c 3000000 /dev/zero | tr '\\0' x; echo last) >&2"));
    EXPECT_EQ(result.errors.size(), kCapturedBytesMax);
    EXPECT_THAT(result.errors, EndsWith("xxxlast\n"));
}

TEST_F(Subprocess, NamesAProgramThatDoesNotExist) {
    const auto bare =
        run_command({.arguments = {"no-such-program"}}, {}, StopToken(), after(kPatience));
    ASSERT_FALSE(bare.ok());
    EXPECT_EQ(to_text(bare.error()),
              "cannot run no-such-program: No such file or directory\n"
              "hint: install no-such-program, or put its folder on PATH");
    const auto with_path =
        run_command({.arguments = {"/nowhere/program"}}, {}, StopToken(), after(kPatience));
    ASSERT_FALSE(with_path.ok());
    EXPECT_EQ(with_path.error().fact, "cannot run /nowhere/program: No such file or directory");
}

TEST_F(Subprocess, NamesAProgramThatMayNotBeRun) {
    std::ofstream(path("data")) << "no program";
    const auto result =
        run_command({.arguments = {path("data")}}, {}, StopToken(), after(kPatience));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::failed);
    EXPECT_EQ(result.error().fact, "cannot run " + path("data") + ": Permission denied");
}

TEST_F(Subprocess, NamesAWorkingFolderThatDoesNotExist) {
    const auto result = run_command({.arguments = {"pwd"}, .folder = "/nowhere"}, {}, StopToken(),
                                    after(kPatience));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().fact, "cannot enter the folder /nowhere: No such file or directory");
}

TEST_F(Subprocess, RunsInTheFolderAskedForOrTheRoot) {
    auto command = shell("pwd -P");
    EXPECT_EQ(run(command).output, "/\n");
    command.folder = folder_;
    EXPECT_EQ(run(command).output, std::filesystem::canonical(folder_).string() + "\n");
}

TEST_F(Subprocess, GivesAMinimalEnvironment) {
    ASSERT_EQ(setenv("ASB_TEST_SECRET", "seen", 1), 0);  // NOLINT(concurrency-mt-unsafe)
    ASSERT_EQ(setenv("TZ", "Asia/Tokyo", 1), 0);         // NOLINT(concurrency-mt-unsafe)
    const Command command{.arguments = {"env"},
                          .environment = {{"PGPASSWORD", "p w"}, {"LANG", "de_DE.UTF-8"}}};
    auto lines = split(trim(run(command).output), '\n');
    ASSERT_EQ(unsetenv("TZ"), 0);  // NOLINT(concurrency-mt-unsafe)
    EXPECT_THAT(lines, UnorderedElementsAre(StartsWith("PATH=/"), StartsWith("HOME=/"),
                                            "TZ=Asia/Tokyo", "PGPASSWORD=p w", "LANG=de_DE.UTF-8"));
}

TEST_F(Subprocess, LeaksNoDescriptor) {
    const int inheritable = open("/dev/null", O_RDONLY);  // NOLINT: without O_CLOEXEC on purpose
    ASSERT_GE(inheritable, 0);
    const auto result = run({.arguments = {"ls", "/proc/self/fd"}});
    close(inheritable);
    EXPECT_EQ(result.output, "0\n1\n2\n3\n");  // 3 is the folder that ls itself reads
}

TEST_F(Subprocess, StartsWithEverySignalAtItsDefault) {
    struct sigaction ignore {};
    struct sigaction before {};
    ignore.sa_handler = SIG_IGN;
    ASSERT_EQ(sigaction(SIGPIPE, &ignore, &before), 0);
    sigset_t blocked;
    sigset_t mask_before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask_before);
    const auto result = run(shell("grep -E '^Sig(Blk|Ign):' /proc/self/status"));
    pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    sigaction(SIGPIPE, &before, nullptr);
    EXPECT_EQ(result.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(Subprocess, StopsAProgramWhoseTimeIsUp) {
    const auto begin = steady_clock::now();
    const auto result =
        run_command(shell("exec sleep 100"), {}, StopToken(), after(milliseconds(100)));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::failed);
    EXPECT_EQ(result.error().fact, "/bin/sh did not end in time and was stopped");
    EXPECT_LT(steady_clock::now() - begin, seconds(4));
}

TEST_F(Subprocess, KillsAProgramThatIgnoresThePoliteSignal) {
    const auto script = fmt::format("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done",
                                    shell_quote(path("pid")));
    const auto begin = steady_clock::now();
    const auto result = run_command(shell(script), {}, StopToken(), after(milliseconds(300)));
    ASSERT_FALSE(result.ok());
    EXPECT_GE(steady_clock::now() - begin, seconds(5));
    EXPECT_FALSE(exists(number_in("pid")));
}

TEST_F(Subprocess, LeavesNothingRunningOfAProgramThatItStopped) {
    const auto script = fmt::format("sleep 100 & echo $! > {}; wait", shell_quote(path("pid")));
    const auto result = run_command(shell(script), {}, StopToken(), after(milliseconds(500)));
    EXPECT_FALSE(result.ok());
    const pid_t left = number_in("pid");
    EXPECT_TRUE(wait_until([&] { return has_ended(left); }));
}

TEST_F(Subprocess, StopsAProgramOnRequest) {
    const StopToken stop;
    const std::jthread asks([&] {
        EXPECT_GT(number_in("pid"), 0);
        stop.request();
    });
    const auto script = fmt::format("echo $$ > {}; exec sleep 100", shell_quote(path("pid")));
    const auto result = run_command(shell(script), {}, stop, after(kPatience));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::interrupted);
    EXPECT_EQ(result.error().fact, "stopped on request while /bin/sh was running");
    EXPECT_FALSE(exists(number_in("pid")));
}

TEST_F(Subprocess, StartsNothingOnceAStopWasRequested) {
    const StopToken stop;
    stop.request();
    const auto result =
        run_command(shell("touch " + shell_quote(path("made"))), {}, stop, after(kPatience));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::interrupted);
    EXPECT_FALSE(std::filesystem::exists(path("made")));
}

TEST_F(Subprocess, DoesNotWaitForWhatTheProgramLeftRunning) {
    const auto script =
        fmt::format("sleep 100 & echo $! > {}; echo done", shell_quote(path("pid")));
    const auto begin = steady_clock::now();
    EXPECT_EQ(run(shell(script)).output, "done\n");
    EXPECT_LT(steady_clock::now() - begin, seconds(30));
    kill(number_in("pid"), SIGKILL);
}

TEST_F(Subprocess, DiesWithTheProcessThatStartedIt) {
    const auto script = fmt::format("echo $$ > {}; exec sleep 100", shell_quote(path("pid")));
    const pid_t parent = fork();
    if (parent == 0) {
        [[maybe_unused]] auto child = ChildProcess::start(shell(script), path("log"));
        pause();
    }
    const pid_t child = number_in("pid");
    EXPECT_TRUE(exists(child));
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    EXPECT_TRUE(wait_until([&] { return has_ended(child); }));
}

TEST_F(Subprocess, RunsAsAnotherUserWhenRoot) {
    const passwd* nobody = getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe)
    ASSERT_NE(nobody, nullptr);
    auto command = shell("id -u; id -g; id -G; echo $HOME");
    command.run_as = "nobody";
    if (geteuid() == 0) {
        EXPECT_EQ(run(command).output, fmt::format("{0}\n{1}\n{1}\n{2}\n", nobody->pw_uid,
                                                   nobody->pw_gid, nobody->pw_dir));
        return;
    }
    const auto result = run_command(command, {}, StopToken(), after(kPatience));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(to_text(result.error()),
              "cannot become the user nobody: Operation not permitted\n"
              "hint: run as root, or as that user");
}

TEST_F(Subprocess, NamesAUserThatDoesNotExist) {
    auto command = shell("id");
    command.run_as = "no-such-user";
    const auto result = run_command(command, {}, StopToken(), after(kPatience));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::usage);
    EXPECT_EQ(result.error().fact, "there is no user named no-such-user");
}

TEST_F(Subprocess, KeepsAChildRunningAndLogsWhatItSays) {
    auto child = ChildProcess::start(shell("echo out; echo err >&2; exec sleep 100"), path("log"));
    ASSERT_TRUE(child.ok()) << to_text(child.error());
    EXPECT_TRUE(wait_until([&] { return *read_file(path("log"), 100) == "out\nerr\n"; }));
    EXPECT_EQ((*child)->poll_exit(), std::nullopt);
    EXPECT_FALSE((*child)->wait(after(milliseconds(50))));
    const pid_t pid = (*child)->pid();
    child->reset();
    EXPECT_FALSE(exists(pid));
    EXPECT_EQ(std::filesystem::status(path("log")).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(Subprocess, TellsHowAChildEnded) {
    auto child = ChildProcess::start(shell("exec sleep 100"), path("log"));
    ASSERT_TRUE(child.ok());
    (*child)->signal(SIGINT);
    EXPECT_TRUE((*child)->wait(after(kPatience)));
    EXPECT_EQ((*child)->poll_exit(), 128 + SIGINT);
    EXPECT_EQ((*child)->poll_exit(), 128 + SIGINT);
}

TEST_F(Subprocess, ReportsALogThatCannotBeMade) {
    const auto child = ChildProcess::start(shell("true"), path("nowhere/log"));
    ASSERT_FALSE(child.ok());
    EXPECT_EQ(child.error().fact,
              "cannot create " + path("nowhere/log") + ": No such file or directory");
}

TEST_F(Subprocess, RunsManyAtOnceFromManyThreads) {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 20; ++j) {
                const auto text = fmt::format("{} {}", i, j);
                const auto result = run_command(shell("cat"), text, StopToken(), after(kPatience));
                if (result.ok() && result.value().output == text) ++good;
            }
        });
    threads.clear();
    EXPECT_EQ(good, 80);
}

TEST(FindOnPath, FindsAProgramAndNothingElse) {
    EXPECT_THAT(find_on_path("sh"), EndsWith("/sh"));
    EXPECT_EQ(find_on_path("no-such-program"), "");
}

}  // namespace
}  // namespace asb
