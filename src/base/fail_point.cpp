#include "base/fail_point.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/text.hpp"

namespace asb {
namespace {

enum class Action { none, kill_process, report_eio, report_enospc, ask_to_stop, count_only };

struct Armed {
    std::string name;
    std::uint64_t nth = 0;
    Action action = Action::none;
    int log_fd = -1;
};

Action parse_action(std::string_view text) {
    if (text == "kill") return Action::kill_process;
    if (text == "eio") return Action::report_eio;
    if (text == "enospc") return Action::report_enospc;
    if (text == "stop") return Action::ask_to_stop;
    if (text == "count") return Action::count_only;
    return Action::none;
}

Armed read_environment() {
    Armed armed;
    const char* text = std::getenv("ASB_FAIL_POINT");
    if (text == nullptr) return armed;
    const auto parts = split(text, ':');
    ASB_ASSERT(parts.size() == 3);
    armed.name = parts[0];
    armed.nth = parse_u64(parts[1]).value_or(0);
    armed.action = parse_action(parts[2]);
    ASB_ASSERT(armed.action != Action::none);
    if (const char* log = std::getenv("ASB_FAIL_POINT_LOG"))
        armed.log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return armed;
}

const Armed& armed() {
    static const Armed kArmed = read_environment();
    return kArmed;
}

int act(Action action) {
    switch (action) {
        case Action::kill_process:
            kill(getpid(), SIGKILL);
            return 0;
        case Action::report_eio:
            return EIO;
        case Action::report_enospc:
            return ENOSPC;
        case Action::ask_to_stop:
            kill(getpid(), SIGTERM);
            return 0;
        case Action::none:
        case Action::count_only:
            return 0;
    }
    return 0;
}

}  // namespace

int fail_point(std::string_view name) {
    const Armed& point = armed();
    if (point.action == Action::none) return 0;
    if (point.name != "*" && point.name != name) return 0;
    if (point.log_fd >= 0) {
        const auto line = std::string(name) + "\n";
        [[maybe_unused]] const auto written = write(point.log_fd, line.data(), line.size());
    }
    static std::atomic<std::uint64_t> hits{0};
    return ++hits == point.nth ? act(point.action) : 0;
}

}  // namespace asb
