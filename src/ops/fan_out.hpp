#pragma once
// Why this exists: one read of the database lands in every destination at once. A destination that
// fails, or that holds up the others for too long, is left out for the rest of the run, with the
// reason kept, and the others go on: no object that needs an earlier one is ever put where that one
// is missing.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "store/store.hpp"

namespace asb {

// Each call is made at all destinations that have not failed yet, on a thread each, and returns
// when the last of them has answered: what a slow one may be behind is what its own writer buffers.
// It fails when none is left, with the first destination's error. Writers are outlived by their
// FanOut. One thread at a time.
class FanOut : public StoreAppender {
  public:
    struct Destination {
        std::string place;
        StoreAppender* appender = nullptr;      // borrowed
        StopToken stop = {};                    // gives up what the appender is doing
        std::optional<Error> failed = {};       // why it is left out
        std::chrono::milliseconds waited = {};  // how long the others have waited for it
    };
    // Once `required` destinations have answered, those that have not may hold them up for
    // `patience` in all, each; then they are given up.
    struct Bounds {
        std::size_t required = 0;
        std::chrono::milliseconds patience{};
    };
    FanOut(std::vector<Destination> destinations, Bounds bounds);

    // `busy` as soon as the name is taken anywhere.
    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override;
    // The least of those that have a limit.
    Result<std::optional<std::uint64_t>> free_space() override;
    Status put(const ObjectKey& key, Bytes bytes) override;

    // Nothing more is put there; an error when none is left.
    Status leave_out(std::size_t number, Error why);
    [[nodiscard]] const std::vector<Destination>& destinations() const { return destinations_; }

  private:
    class Writer;
    class Race;
    using Work = std::function<Status(std::size_t)>;
    // work(i) for each that is live, all at once; what each answered, at its number.
    std::vector<Status> at_once(const Work& work);

    std::vector<Destination> destinations_;
    Bounds bounds_;
};

}  // namespace asb
