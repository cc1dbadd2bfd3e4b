#pragma once
// Why this exists: the server may forget what is kept in as many destinations as are required, and
// nothing before that.

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ops/log_mirror.hpp"

namespace asb {

// All destinations of a stream but the first, to which the stream itself writes. One thread at a
// time.
class LogMirrors {
  public:
    // `required`: of all destinations, the first one included.
    LogMirrors(const OpsContext& context, std::vector<Place> places, std::size_t required)
        : context_(context), places_(std::move(places)), required_(required) {}

    // Of the log that is followed from now on, which is in the first destination up to its tail's
    // end.
    void begin(const MirroredLog& log);
    // Published in the first destination; the log there now ends at `end`. `began`: when the first
    // of it was taken.
    void add(const WrittenObject& object, const LogPoint& end, Deadline began);
    // Up to where the log is in as many destinations as are required. Absent as long as that is not
    // known to be even as far as the stream began.
    std::optional<LogPoint> kept();
    // What was added and is not in as many as are required. Absent as `kept` is.
    struct Missing {
        std::uint64_t bytes = 0;
        std::optional<Deadline>
            since;  // when the first of it was taken; absent: nothing is missing
    };
    std::optional<Missing> missing();
    // Whether all that was added is in as many as are required: as soon as it is so, else at
    // `deadline`. `interrupted` when `stop` is.
    Result<bool> wait_for_all(const StopToken& stop, Deadline deadline);
    // Until it is in all that keep up, or `deadline`.
    void wait_until(Deadline deadline);
    std::vector<LogMirror::State> states();
    // A destination that keeps up and has all that was added; absent: none has.
    std::optional<std::string> complete_one();
    [[nodiscard]] std::size_t required() const { return required_; }

  private:
    struct Published {
        std::uint64_t number = 0;
        LogPoint end;
        std::uint64_t bytes = 0;
        Deadline began{};
    };
    [[nodiscard]] std::optional<std::uint64_t> kept_number() const;
    [[nodiscard]] bool all_caught_up() const;

    const OpsContext& context_;
    std::vector<Place> places_;
    std::size_t required_;
    std::deque<Published> published_;  // from what is kept on; never empty once a log was begun
    LogMirror::Signal signal_;
    std::vector<std::unique_ptr<LogMirror>> mirrors_;  // ended before the signal goes
};

}  // namespace asb
