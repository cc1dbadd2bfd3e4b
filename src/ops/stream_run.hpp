#pragma once
// Why this exists: a stream goes on for months: databases restart and fail over, repositories are
// away and come back, and through all of it no byte may be confirmed that is not kept.

#include <memory>
#include <optional>

#include "ops/back_off.hpp"
#include "ops/log_mirrors.hpp"
#include "ops/stream.hpp"
#include "ops/stream_claim.hpp"
#include "ops/stream_limits.hpp"
#include "ops/stream_seal.hpp"
#include "ops/stream_status.hpp"
#include "ops/stream_writer.hpp"

namespace asb {

// One thread. Borrows context and request.
class StreamRun {
  public:
    // `brief`: for mirrors, which try again by themselves.
    StreamRun(const OpsContext& context, const OpsContext& brief, const StreamRequest& request,
              LogDestinations destinations, const StreamLimits& limits,
              std::unique_ptr<Engine> engine, std::unique_ptr<KeyProvider> keys)
        : context_(context),
          request_(request),
          stores_(std::move(destinations.first)),
          mirrors_(brief, std::move(destinations.others), destinations.required),
          limits_(limits),
          engine_(std::move(engine)),
          keys_(std::move(keys)),
          status_file_(context.settings.text("LOG_DIR")),
          began_(std::chrono::steady_clock::now()) {
        status_.since = now();
        status_.engine = engine_->name();
    }
    // Why it ended.
    Error run();
    // It ended because the first destination is away, and this one has the whole log.
    [[nodiscard]] const std::optional<std::string>& successor() const { return successor_; }

  private:
    Status follow_for_ever();
    Status connect();
    Result<std::vector<LogTail>> tails();
    Status begin_log(const LogTail& tail);
    Status open_log(const LogTail& tail, StreamLog& log);
    Status close_gap(const std::string& gap);
    Status follow_where_it_is(const Report& backup);
    Status follow();
    Status take(LogFollower::News news);
    [[nodiscard]] bool is_due() const;
    Status put_and_confirm();
    Status confirm();
    Status put();
    Status put_once();
    Status put_rest();
    Status await_log();
    Status wait_for_repository(const Error& error, BackOff& pause);
    Status lost(const Error& error);
    bool worth_another_try(const Error& error, bool was_streaming);
    Status rest(std::chrono::milliseconds pause);
    void note(const Error& error);
    void say(std::string state);
    void say_where();
    void measure_lag();
    [[nodiscard]] bool may_say() const;

    const OpsContext& context_;
    const StreamRequest& request_;
    Stores stores_;  // of the first destination
    LogMirrors mirrors_;
    StreamLimits limits_;
    std::unique_ptr<Engine> engine_;
    std::unique_ptr<KeyProvider> keys_;  // null: not encrypted
    StreamStatusFile status_file_;
    const Deadline began_;  // the process, or this destination in the first one's place
    StreamStatus status_;
    Deadline status_at_{};
    // When all that the server had written was kept; absent: not since the start.
    std::optional<Deadline> caught_up_;
    bool heard_ = false;  // the follower has been asked what is new

    std::optional<LogTail> tail_;  // of the log that is followed; its end is durable
    LogPoint confirmed_;
    std::unique_ptr<ObjectWriter> claim_;
    std::optional<LogKey> key_;  // of that log; absent: not encrypted
    std::unique_ptr<StreamWriter> writer_;
    std::unique_ptr<StreamSealer> sealer_;
    std::unique_ptr<LogFollower> follower_;
    BackOff back_off_;
    int promotions_ = 0;  // since something was published
    int futile_ = 0;      // errors that sound final, since then
    bool was_connected_ = false;
    bool went_elsewhere_ = false;  // what was put last
    std::optional<Deadline> away_since_;
    std::optional<std::string> successor_;
    std::optional<Deadline> busy_until_;
};

}  // namespace asb
