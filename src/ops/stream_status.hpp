#pragma once
// Why this exists: "is the stream alive, and how far behind is it?" must be answered without asking
// the process: what it last said stands in a small file, LOG_DIR/stream-status.json.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "ops/log_mirror.hpp"

namespace asb {

inline constexpr std::string_view kStreamStatusName = "stream-status.json";

inline constexpr std::string_view kStateStreaming = "streaming";
inline constexpr std::string_view kStateBackup = "taking a full backup";

// What the lag is.
inline constexpr std::string_view kLagMeasured = "measured";
inline constexpr std::string_view kLagAtMost = "at_most";   // since all was kept; bytes: at least
inline constexpr std::string_view kLagUnknown = "unknown";  // since the start, which says little

struct StreamStatus {
    std::string state = "connecting";  // kStateStreaming, "waiting for the repository", "ended"...
    std::string log_id;
    std::string engine;
    std::string identity;
    LogPoint taken;
    LogPoint durable;        // in as many destinations as required; 0: not known yet
    std::string taken_text;  // as the database's people write it
    std::string durable_text;
    std::string_view lag_is = kLagUnknown;
    std::uint64_t lag_bytes = 0;  // written at the server and not durable as above
    std::chrono::milliseconds lag_time{};
    std::uint64_t objects = 0;  // since the start, as the next two
    std::uint64_t bytes = 0;
    std::uint64_t merged = 0;
    Instant since{};
    std::optional<Instant> connected_since;
    std::optional<Instant> error_at;
    std::string error;
    std::vector<LogMirror::State> others;  // destinations
    std::size_t required = 1;              // destinations, the first one included
};

// The file of one process.
class StreamStatusFile {
  public:
    explicit StreamStatusFile(std::string folder) : folder_(std::move(folder)) {}
    // In one act: a reader sees the old or the new one. Makes the folder when it is gone, and
    // begins a log file that was in it anew. A write that fails is a warning, once in a row: no
    // stream ends for that.
    void keep(const StreamStatus& status, Log& diary);
    // Whether another process wrote it that is alive and has not ended its stream.
    [[nodiscard]] bool is_of_another_stream() const;

  private:
    // True when the folder had to be made.
    [[nodiscard]] Result<bool> write(const StreamStatus& status) const;

    std::string folder_;
    bool failed_ = false;  // the last write
};

// `stream --status`: what the file says, how old that is, and whether its process is alive. Outcome
// `incomplete` when none is, when it has said nothing for long, when it has no connection just now,
// or when fewer destinations keep up than are required; `not_found` when no stream has ever run
// with this LOG_DIR.
Result<Report> report_stream_status(const OpsContext& context);

}  // namespace asb
