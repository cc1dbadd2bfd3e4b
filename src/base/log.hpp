#pragma once
// Why this exists: one line an event (UTC time, level, run id, text), to a file that operators keep
// and to stderr that they watch. Losing the log never stops a run.

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace asb {

enum class LogLevel { debug, info, warning, error };

// | call   | threads                                   |
// | all    | any; a line is written whole or not at all |
class Log {
  public:
    struct Options {
        std::string run_id;  // stands in every line
        LogLevel stderr_level = LogLevel::warning;
        bool stderr_enabled = true;
    };
    explicit Log(Options options);
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Appends to `path` from now on (mode 0640). On error nothing changes; the caller warns and
    // goes on.
    Status open_file(const std::string& path);
    // Opens the same path anew before the next line, as after logrotate; async-signal-safe.
    void request_reopen() noexcept;

    template <typename... Args>
    void debug(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args>
    void warning(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args>
    void error(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
    }

    // Newlines and control characters in `text` are escaped, so that an event stays one line.
    void write(LogLevel level, std::string_view text);

    // Called around each line on stderr, so that a progress line can be cleared and drawn again.
    // May be empty.
    void set_stderr_hooks(std::function<void()> before, std::function<void()> after);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace asb
