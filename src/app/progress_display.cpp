#include "app/progress_display.hpp"

#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/text.hpp"

namespace asb {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::uint64_t rate_of(const Progress::Snapshot& snapshot, std::chrono::milliseconds elapsed) {
    return elapsed.count() < 100
               ? 0
               : snapshot.bytes * 1000 / static_cast<std::uint64_t>(elapsed.count());
}

// Time left at the rate so far; nullopt when it cannot be told.
std::optional<std::chrono::milliseconds> time_left(const Progress::Snapshot& snapshot,
                                                   std::uint64_t rate) {
    if (rate == 0 || snapshot.expected_bytes <= snapshot.bytes) return std::nullopt;
    return std::chrono::milliseconds((snapshot.expected_bytes - snapshot.bytes) * 1000 / rate);
}

void put(std::string_view text) {
    [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

Json to_json(const Progress::Snapshot& snapshot, std::chrono::milliseconds elapsed) {
    const auto rate = rate_of(snapshot, elapsed);
    Json json = {{"stage", snapshot.stage},
                 {"bytes", snapshot.bytes},
                 {"expected_bytes", snapshot.expected_bytes},
                 {"bytes_per_second", rate}};
    if (const auto left = time_left(snapshot, rate)) json["left_ms"] = left->count();
    return json;
}

}  // namespace

std::string progress_text(const Progress::Snapshot& snapshot, std::chrono::milliseconds elapsed) {
    auto text = fmt::format("{}: {}", snapshot.stage, human_bytes(snapshot.bytes));
    if (snapshot.expected_bytes != 0)
        text += fmt::format(
            " of about {} ({} %)", human_bytes(snapshot.expected_bytes),
            std::min<std::uint64_t>(100, snapshot.bytes * 100 / snapshot.expected_bytes));
    const auto rate = rate_of(snapshot, elapsed);
    if (rate != 0) text += fmt::format(", {}/s", human_bytes(rate));
    if (const auto left = time_left(snapshot, rate))
        text += fmt::format(", {} left", human_duration(*left));
    return text;
}

struct ProgressDisplay::State {
    State(const Progress& shown_progress, ProgressStyle shown_style, Log& used_log)
        : progress(shown_progress), style(shown_style), log(used_log) {}

    void clear() const { put(colour ? "\r\x1b[K" : "\r" + std::string(100, ' ') + "\r"); }

    void show(const Progress::Snapshot& snapshot, std::chrono::milliseconds elapsed) {
        if (style == ProgressStyle::json) return put(canonical(to_json(snapshot, elapsed)) + "\n");
        const auto text = progress_text(snapshot, elapsed);
        if (style == ProgressStyle::plain) return put(text + "\n");
        clear();
        put(text.substr(0, 100));
    }

    void run(const std::stop_token& stop) {
        const auto interval = style == ProgressStyle::plain  ? 10'000ms
                              : style == ProgressStyle::json ? 1000ms
                                                             : 200ms;
        std::uint64_t stage = 0;
        auto stage_began = Clock::now();
        auto last_shown = Clock::time_point();
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(50ms);
            const auto snapshot = progress.snapshot();
            if (snapshot.stage.empty()) continue;
            const bool new_stage = snapshot.stage_number != stage;
            if (new_stage) stage_began = Clock::now();
            stage = snapshot.stage_number;
            if (!new_stage && Clock::now() - last_shown < interval) continue;
            last_shown = Clock::now();
            show(snapshot,
                 std::chrono::duration_cast<std::chrono::milliseconds>(last_shown - stage_began));
        }
    }

    const Progress& progress;
    ProgressStyle style;
    Log& log;
    bool colour = std::getenv("NO_COLOR") == nullptr;
    std::jthread thread;
};

ProgressDisplay::ProgressDisplay(const Progress& progress, ProgressStyle style, Log& log)
    : state_(std::make_unique<State>(progress, style, log)) {
    if (style == ProgressStyle::automatic && isatty(STDERR_FILENO) == 0)
        state_->style = ProgressStyle::none;
    if (state_->style == ProgressStyle::none) return;
    if (state_->style == ProgressStyle::automatic)
        log.set_stderr_hooks([state = state_.get()] { state->clear(); }, [] {});
    state_->thread =
        std::jthread([state = state_.get()](const std::stop_token& stop) { state->run(stop); });
}

ProgressDisplay::~ProgressDisplay() {
    if (!state_->thread.joinable()) return;
    state_->thread.request_stop();
    state_->thread.join();
    if (state_->style != ProgressStyle::automatic) return;
    state_->log.set_stderr_hooks({}, {});
    state_->clear();
}

}  // namespace asb
