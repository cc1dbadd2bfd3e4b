#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "app/program.hpp"
#include "base/log.hpp"

namespace {

const asb::StopToken* stop_token = nullptr;
std::atomic<asb::Log*> current_log{nullptr};
std::atomic<int> stop_signal{0};

void on_stop(int number) {
    // A second request while the first is being obeyed: go at once; what is left behind, the next
    // run sweeps.
    if (stop_signal.exchange(number) != 0) _exit(128 + number);
    stop_token->request();
}

void on_hangup(int /*number*/) {
    if (auto* log = current_log.load()) log->request_reopen();
}

void note_log(asb::Log* log) {
    current_log.store(log);
}

int interrupted_status() {
    return 128 + (stop_signal.load() == SIGTERM ? SIGTERM : SIGINT);
}

void handle(int number, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
}

// Keys are in this process's memory: no core dump, no ptrace by others. (Sanitizers need ptrace on
// themselves.)
void keep_memory_private() {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
#if !defined(ASB_SANITIZED)
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace

int main(int argc, char** argv) {
    keep_memory_private();
    umask(0077);
    const asb::StopToken stop;
    stop_token = &stop;
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    handle(SIGHUP, on_hangup);
    handle(SIGPIPE, SIG_IGN);
    const int status = asb::run_program(argc, argv, stop, {note_log, interrupted_status});
    // The outcome stands, and what the handlers use is about to go.
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) handle(number, SIG_IGN);
    return status;
}
