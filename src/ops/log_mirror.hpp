#pragma once
// Why this exists: a streamed log that lies in one place is lost with it. What the stream has kept
// in the first destination is brought to another one as it comes, and what was missed while that
// was away is brought later: nothing that was published is ever left out.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "ops/back_off.hpp"
#include "ops/sources.hpp"
#include "ops/stream_seal.hpp"
#include "ops/stream_writer.hpp"

namespace asb {

// Which log is mirrored, and where the first destination has it. Borrows the reader.
struct MirroredLog {
    StoreReader& first;
    StreamLog log;
    LogTail tail;
    std::size_t seal_objects = 0;
};

// One further destination, brought up to date by a thread of its own. Pieces are numbered by the
// caller, from 1 on.
class LogMirror {
  public:
    struct State {
        std::string place;
        // The last piece that is there with all before it; absent until everything from before the
        // stream's start is.
        std::optional<std::uint64_t> reached;
        bool keeps_up = false;
        std::string problem;  // why it does not; empty while it is brought what it missed
    };
    // What all mirrors of a stream share, so that one wait can be for any of them.
    struct Signal {
        std::mutex mutex;
        std::condition_variable changed;  // a State
    };

    // Borrows context and signal.
    LogMirror(const OpsContext& context, Place place, MirroredLog log, Signal& signal);
    // Gives up what is being brought.
    ~LogMirror();
    LogMirror(const LogMirror&) = delete;
    LogMirror& operator=(const LogMirror&) = delete;

    // Published in the first destination as its number `number`.
    void add(const WrittenObject& object, std::uint64_t number);
    // The caller holds signal.mutex.
    [[nodiscard]] const State& state() const { return state_; }

  private:
    struct Piece {
        WrittenObject object;
        std::uint64_t number = 0;
    };
    void run();
    Status keep_up();
    Status open();
    Status bring_missing();
    Status bring_as_they_come();
    Result<bool> bring(const ObjectKey& key);
    Status bring_line(std::uint32_t line);
    std::uint64_t forget_pieces();
    std::optional<Piece> next_piece();
    void reach(std::uint64_t number);
    void note(const Error& error);

    OpsContext context_;  // its stop is ours
    Place place_;
    MirroredLog log_;
    Signal& signal_;
    State state_;               // with signal_.mutex
    std::deque<Piece> pieces_;  // likewise, as the next two
    bool collects_ = false;     // pieces_, from a look at what is missing on
    std::uint64_t newest_ = 0;
    std::uint32_t line_ = 0;  // whose history is there
    BackOff pause_;
    std::optional<Stores> stores_;
    std::unique_ptr<ObjectWriter> claim_;
    std::unique_ptr<StreamSealer> sealer_;
    std::jthread thread_;
};

}  // namespace asb
