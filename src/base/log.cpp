#include "base/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace asb {

struct Log::State {
    Options options;
    std::mutex mutex;
    std::string path;
    int fd = -1;
    std::atomic<bool> reopen{false};
    std::function<void()> before_stderr;
    std::function<void()> after_stderr;
};

namespace {

constexpr std::array<const char*, 4> kLevelNames = {"DEBUG", "INFO", "WARN", "ERROR"};

int open_log(const std::string& path) {
    return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

void write_whole(int fd, std::string_view text) {
    [[maybe_unused]] const auto written = ::write(fd, text.data(), text.size());
}

}  // namespace

Log::Log(Options options) : state_(std::make_unique<State>()) {
    state_->options = std::move(options);
}

Log::~Log() {
    if (state_->fd >= 0) close(state_->fd);
}

Status Log::open_file(const std::string& path) {
    const int fd = open_log(path);
    if (fd < 0)
        return fail(Code::failed, "cannot write the log file {}: {}", path,
                    std::generic_category().message(errno));
    const std::lock_guard lock(state_->mutex);
    if (state_->fd >= 0) close(state_->fd);
    state_->fd = fd;
    state_->path = path;
    return {};
}

void Log::request_reopen() noexcept {
    state_->reopen.store(true);
}

void Log::set_stderr_hooks(std::function<void()> before, std::function<void()> after) {
    const std::lock_guard lock(state_->mutex);
    state_->before_stderr = std::move(before);
    state_->after_stderr = std::move(after);
}

void Log::write(LogLevel level, std::string_view text) {
    const auto* name = kLevelNames.at(static_cast<std::size_t>(level));
    const std::lock_guard lock(state_->mutex);
    if (state_->fd >= 0 && level != LogLevel::debug) {
        if (state_->reopen.exchange(false)) {
            const int fd = open_log(state_->path);
            if (fd >= 0) {
                close(state_->fd);
                state_->fd = fd;
            }
        }
        write_whole(state_->fd, fmt::format("{} {:<5} {} {}\n", to_iso8601(now()), name,
                                            state_->options.run_id, printable(text)));
    }
    if (!state_->options.stderr_enabled || level < state_->options.stderr_level) return;
    if (state_->before_stderr) state_->before_stderr();
    std::string line;
    if (level == LogLevel::warning) line = "warning: ";
    for (const auto& part : split(text, '\n')) line += printable(part) + "\n";
    write_whole(STDERR_FILENO, line);
    if (state_->after_stderr) state_->after_stderr();
}

}  // namespace asb
