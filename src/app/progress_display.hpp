#pragma once
// Why this exists: one line on a terminal (or a line now and then elsewhere) that says stage,
// bytes, rate, share and time left.

#include <memory>

#include "app/command_line.hpp"
#include "base/progress.hpp"

namespace asb {

// Draws on stderr from a thread of its own until destroyed; on a terminal it then removes its line.
class ProgressDisplay {
  public:
    // automatic: a redrawn line when stderr is a terminal, else nothing. plain: a line every 10 s
    // and at each stage. json: a JSON line every second.
    ProgressDisplay(const Progress& progress, ProgressStyle style, Log& log);
    ~ProgressDisplay();
    ProgressDisplay(const ProgressDisplay&) = delete;
    ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// "back up postgresql: 512 MiB of about 1.2 GiB (43 %), 310 MiB/s, 2.1 s left"
std::string progress_text(const Progress::Snapshot& snapshot, std::chrono::milliseconds elapsed);

}  // namespace asb
