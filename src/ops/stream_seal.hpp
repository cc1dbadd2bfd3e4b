#pragma once
// Why this exists: an object every few seconds makes a thousand an hour, and whoever restores reads
// each. So the oldest ones are merged into larger ones while the stream goes on.

#include <deque>
#include <future>

#include "base/log.hpp"
#include "ops/stream_writer.hpp"

namespace asb {

// Begun and asked from one thread; merges on one of its own. Borrows stores and log.
class StreamSealer {
  public:
    struct Stores {
        StoreReader& reader;
        StoreAppender& appender;
        StoreEraser& eraser;
    };
    StreamSealer(Stores stores, StreamLog log, std::size_t objects_max, Log& diary)
        : stores_(stores), log_(std::move(log)), objects_max_(objects_max), diary_(diary) {}
    // Waits for the merge that is going on.
    ~StreamSealer();
    StreamSealer(const StreamSealer&) = delete;
    StreamSealer& operator=(const StreamSealer&) = delete;

    // Looks at what earlier streams have left today and yesterday, and ends a merge that a crash
    // interrupted after its publication: the small objects go.
    Status load();
    void add(const WrittenObject& object);
    // Begins a merge when there are more than `objects_max` small objects or they hold 64 MiB, and
    // notices when one has ended. A merge that fails is a warning; the small objects stay.
    // Does nothing while the log's record is away.
    void poll();
    [[nodiscard]] std::uint64_t merged() const { return merged_; }

  private:
    using Group = std::vector<WrittenObject>;
    [[nodiscard]] Group next_group() const;
    void take_result();
    void reload();
    Status forget_merged(const Group& all);

    Stores stores_;
    StreamLog log_;
    std::size_t objects_max_;
    Log& diary_;
    std::deque<WrittenObject> objects_;  // small ones, ascending
    std::uint64_t merged_ = 0;
    bool changed_ = false;  // since the last attempt
    bool stale_ = false;    // objects_ must be listed anew
    Deadline not_before_{};
    Group merging_;
    std::future<Result<WrittenObject>> result_;
};

}  // namespace asb
